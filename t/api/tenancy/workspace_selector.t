use v5.36;
use lib 't/lib';
use Api;

# The page to pick a workspace: what it lets in, and out.  What it does t/clients/mailed.t looks at, in Chromium.
my $t    = Api->start;
my $url  = '/api/v1/workspace-selector';
my $anon = $t->client->with(headers => { Accept => 'text/html,*/*;q=0.8' });

subtest 'a page that holds nobody\'s data' => sub {
    my $page = $anon->get($url);
    status_is $page, 200;
    header_is $page, 'Content-Type', 'text/html; charset=utf-8';
    header_is $page, 'Cache-Control', 'no-store';
    header_is $page, 'X-Frame-Options', 'DENY';
    my ($nonce) = $page->body =~ /<script nonce="([0-9a-f]{32})" src="\/workspace-selector\.js"/;
    ok $nonce, 'its own script';
    my @policies = $page->header('Content-Security-Policy');
    is scalar(@policies), 1, 'one policy';
    like $policies[0], qr/\Adefault-src 'none'; script-src 'nonce-$nonce'; /, '  that lets that alone run';
    my ($next) = $anon->get($url)->body =~ /nonce="([0-9a-f]{32})"/;
    isnt $next, $nonce, '  this time';
    like $page->body, qr/data-return-to="\/"/;
    header_like $anon->get('/api/v1/public/health'), 'Content-Security-Policy', qr/\Adefault-src 'self'\z/, 'other answers have theirs';
};

subtest 'where it goes on to' => sub {
    like $anon->get($url, query => { return_to => $_->[0] })->body, qr/data-return-to="\Q$_->[1]\E"/, $_->[0]
        for [ '/goals?x=1&y=2#z', '/goals?x=1&amp;y=2#z' ], [ '/"><script>alert(1)</script>', '/&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;' ], [ '/a//b', '/a//b' ];
    error_is $anon->get($url, query => { return_to => $_ }), 422, 'VALIDATION_ERROR', field => 'return_to', name => 'not ' . s/[^ -~]/./gr
        for '//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)', 'x', "/\t/evil.example", "/a\nb", "/a\x7f";
};
