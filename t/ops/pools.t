# Which pool answers what, and how far one caller or tenant can fill it.
use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Google;
use Ashlar::Receiver;
use Cpanel::JSON::XS ();
use IO::Select;
use POSIX ();
use Time::HiRes 'sleep';

my $t    = Api->start(realtime => 1);
my $json = Cpanel::JSON::XS->new;

# Begin a request in a separate process; result() waits for what came of it: "429 RATE_LIMIT_EXCEEDED 5",
# where the last word is Retry-After.
sub begin ($request) {
    my $pid = open(my $from, '-|') // die "fork: $!\n";
    return $from if $pid;
    my $res  = $request->();
    my $code = $res->status < 400 ? '' : eval { $res->json('/error/code') } // '';
    print join(' ', $res->status, grep { length } $code, $res->header('Retry-After') // ''), "\n";
    STDOUT->flush;
    POSIX::_exit(0);
}

sub result ($from) { return <$from> =~ s/\n//r }

# Of requests that were begun, those that are answered; it waits until there are so many.
sub answered ($many, @begun) {
    my $select = IO::Select->new(@begun);
    my $until  = time + 30;
    my @ready;
    sleep 0.02 until (@ready = $select->can_read(0.1)) >= $many || time > $until;
    return @ready;
}

# ------------------------------------------------------------------ who answers

my @routes = grep { !$_->{static} || $_->{pool} eq 'realtime' } map { $json->decode($_) } split /\n/, `build/ashlar routes`;

# A path of a row's: its parameters filled in, of each version.
sub paths_of ($route) {
    my %param = map { $_->{name} => $_ } @{ $route->{params} };
    my $path  = $route->{path} =~ s[\{(\w+)\}][
        my $type = $param{$1}{type};
        $type eq 'uuid' ? '019348a0-7f3e-7c1d-9a50-3d1f6a2b4c5d' : $type eq 'integer' ? 7 : $param{$1}{values} ? $param{$1}{values}[0] : 'some'
    ]gre;
    return $path if $route->{versions} < 2 || $path !~ m{^/api/v1/};
    return ($path, $path =~ s{/v1}{}r, map { $path =~ s{/v1}{/v$_}r } 2 .. $route->{versions});
}

# The router's rules: HEAD is GET, and where there is one of PUT and PATCH it is both.
sub pool_of ($methods, $method) {
    my %twin = (PUT => 'PATCH', PATCH => 'PUT', HEAD => 'GET');
    return $methods->{$method} // $methods->{ $twin{$method} // '' } // 'main';
}

subtest 'a row\'s own methods and paths go to its pool, and nothing else does' => sub {
    my (%methods, %want, %got);
    $methods{ $_->{path} }{ $_->{method} } = $_->{pool} for @routes;
    # What a path has no row of may be another's, whose parameter any text is.
    for my $route (grep { $_->{path} =~ /\{/ && !grep { $_->{type} ne 'text' } @{ $_->{params} } } @routes) {
        my $pattern = join '[^/]+', map { quotemeta } split /\{\w+\}/, $route->{path}, -1;
        $methods{$_}{ $route->{method} } //= $route->{pool} for grep { m{^$pattern\z} } keys %methods;
    }
    my $ask = sub ($method, $path, $pool) {
        my $id = 'pools-' . keys %want;
        $want{$id} = "$method $path: $pool";
        $t->request($method, $path, headers => { 'X-Request-ID' => $id });
        return;
    };
    for my $route (@routes) {
        my $methods = $methods{ $route->{path} };
        my $apart   = grep { $_ ne 'main' } values %$methods;
        my @paths   = paths_of($route);
        $ask->($route->{method}, $paths[0], $route->{pool}) if !$apart || $route->{pool} eq 'main';
        next if $route->{pool} eq 'main';
        for my $path (@paths) {
            $ask->($_, $path, pool_of($methods, $_)) for qw(GET HEAD POST PUT PATCH DELETE OPTIONS);
            $ask->($route->{method}, $_, $route->{pool}) for "$path/", "$path?a=/b", "$path/?a", map { s{^/api}{}r } grep { m{^/api/(?:v1|v4|opsboard)/} } $path;
            # A parameter that is text may have any letters.
            my $is_text = $route->{path} =~ /\{(\w+)\}\z/ && !grep { $_->{name} eq $1 && $_->{type} =~ /^(?:uuid|integer)$/ } @{ $route->{params} };
            $ask->($route->{method}, "${path}x", $is_text ? $route->{pool} : 'main');
            $ask->($route->{method}, $_, 'main') for "$path/beyond", $path =~ s{/api/}{/api//}r, $path =~ s{([a-z])/}{sprintf '%%%02x/', ord $1}er;
        }
    }
    # The line is written after the answer; realtime writes none of those that it refuses.
    eventually {
        for my $line ($t->log) {
            my $id = $line->{request_id} // next;
            $got{$id} = $line->{process} =~ s/^api-//r if $want{$id} && defined $line->{status};
        }
        !grep { !$got{$_} && $want{$_} !~ /: realtime$/ } keys %want
    } 10, 'each request has a line in a log';
    my @wrong = map { "$want{$_}, not " . ($got{$_} // 'nobody') } grep { (split /: /, $want{$_})[1] ne ($got{$_} // 'realtime') } sort keys %want;
    is_deeply \@wrong, [], keys(%want) . ' requests';
};

# ------------------------------------------------------------------ passwords

subtest 'logins wait in a short queue, and behind it are told to come back' => sub {
    my $h     = Api->start(hash => 1, HASH_QUEUE => 1, nginx => { REAL_IP_FROM => '127.0.0.1' });
    $h->expect_log(qr/"message":"nginx".*"status":503.*\/hash\.sock"/);    # the queue is full
    my $n     = 0;
    my $login = sub {
        my $client = $h->client(headers => { 'X-Forwarded-For' => '192.0.2.' . ++$n });
        return begin(sub { $client->post('/api/v1/auth/login', { email => "nobody-$n\@example.com", password => 'Wrong-pass-1' }) });
    };
    my ($child) = $h->children('hash');
    kill 'STOP', $child or die "kill: $!\n";
    my @begun   = map { $login->() } 1 .. 6;
    my @refused = answered(4, @begun);
    is_deeply [ map { result($_) } @refused ], [ ('503 SERVICE_UNAVAILABLE 5') x 4 ], 'a queue of one holds two, as Linux counts; the others are answered at once';
    status_is $h->get('/api/v1/public/health'), 200, 'the main pool has nothing to do with it';
    kill 'CONT', $child;
    my %refused = map { $_ => 1 } @refused;
    is_deeply [ map { result($_) } grep { !$refused{$_} } @begun ], [ ('401 INVALID_CREDENTIALS') x 2 ], 'and who waited is answered';

    my %login = (body => '{"email":"nobody@example.com","password":"Wrong-pass-1"}');
    my $res = $h->fcgi('hash')->request('POST', '/api/v1/auth/login', %login, params => { REQUEST_MSEC => sprintf '%.3f', time - 6 });
    error_is $res, 503, 'SERVICE_UNAVAILABLE';
    is $res->header('Retry-After'), 5, 'who has waited longer than anybody waits is not worth a core';
    status_is $h->fcgi('hash')->request('POST', '/api/v1/auth/login', %login, params => { REQUEST_MSEC => sprintf '%.3f', time }), 401;

    kill 'STOP', $child;
    my $fcgi = $h->fcgi('hash');
    $fcgi->{timeout} = 0;
    $fcgi->request('POST', '/api/v1/auth/login', %login, params => { HTTP_X_REQUEST_ID => 'gone' });
    kill 'CONT', $child;
    eventually { grep { ($_->{request_id} // '') eq 'gone' && ($_->{reason} // '') =~ /nobody waits/ } $h->log } 10, 'nor is who has gone';
    is $h->metric('ashlar_children', pool => 'hash'), 1, 'its children are counted';
    is_deeply [ map { $_->{process} } grep { ($_->{route} // '') eq '/api/v1/auth/login' && $_->{process} ne 'api-hash' } $h->log ], [], 'no other pool has seen any of them';
};

# ------------------------------------------------------------------ other people's servers

# Which children of the slow pool have a connection to a port.
sub children_at ($s, $port) {
    my $hex = sprintf ':%04X', $port;
    return grep {
        my $pid = $_;
        my %peer;
        if (open my $in, '<', "/proc/$pid/net/tcp") {
            %peer = map { (split)[ 9, 2 ] } <$in>;
        }
        grep { (readlink($_) // '') =~ /^socket:\[(\d+)\]/ && ($peer{$1} // '') =~ /$hex$/ } glob "/proc/$pid/fd/*"
    } $s->children('slow');
}

subtest 'a tenant whose receiver is silent waits by itself' => sub {
    my $google = Ashlar::Google->start;
    my $silent = Ashlar::Receiver->start;
    my $quick  = Ashlar::Receiver->start;
    my $page   = 'https://app.example.com/';
    $silent->answer('/', delay => 600);
    # Of eight children a tenant has two, and a caller one.
    my $s = Api->start($google->settings, slow => 8, WEBHOOK_ALLOW_HTTP => 'true', REQUEST_TIMEOUT_S => 300, HTTP_ALLOW_PRIVATE => join ',', map { $_->address } $silent, $quick);
    my %owner = map { $_ => $s->team($_, role => 'owner', tenant => $_) } qw(acme other);
    my @team  = map { $s->team("admin$_", role => 'admin', tenant => 'acme') } 1 .. 8;
    my %hook;
    for my $who (qw(acme other)) {
        my $made = sub ($url) {
            my $res = $owner{$who}->post('/api/v1/dashboard/webhooks', { name => 'x', url => $url, events => ['*'] });
            $s->keep_secret($res->json('/secret') // die $res->describe);
            return '/api/v1/dashboard/webhooks/' . $res->json('/id') . '/test';
        };
        $hook{$who} = { silent => $made->($silent->url('/')), quick => $made->($quick->url('/')) };
        my $res = $owner{$who}->put('/api/v1/dashboard/oauth-providers/google', { is_enabled => true, client_id => "$who.apps.googleusercontent.com", client_secret => "GOCSPX-$who", redirect_uris => [$page] });
        die $res->describe if $res->status != 200;
    }
    my %public  = map { $_ => $s->client(key => $s->key(type => 'public', tenant => $_), origin => 'https://app.example.com') } qw(acme other);
    my $test    = sub ($client, $path) { my $apart = $client->with(http => $s->http); return begin(sub { $apart->post($path, { event => 'user.created' }) }) };
    my $sign_in = sub ($who) {
        my $url = $public{$who}->get('/api/v1/auth/google/url', query => { redirect_uri => $page })->json('/authorization_url');
        my $res = $s->get($google->agree($url, secret => "GOCSPX-$who", sub => "$who-user", email => "$who-user\@example.com"));
        $s->keep_secret(grep { defined } $google->last);
        return $res;
    };

    my @waiting = map { $test->($_, $hook{acme}{silent}) } @team[ 0, 1 ];
    my @busy;
    eventually { @busy = children_at($s, $silent->{port}); @busy == 2 } 20, 'two tests wait for an answer';
    kill 'STOP', @busy;    # no time-out of theirs ends what follows

    my @more = map { $test->($_, $hook{acme}{silent}) } @team[ 2 .. 7 ];
    is_deeply [ map { result($_) } @more ], [ ('429 RATE_LIMIT_EXCEEDED 5') x 6 ], 'six more are told to come back';
    error_is $team[2]->post($hook{acme}{quick}, { event => 'user.created' }), 429, 'RATE_LIMIT_EXCEEDED', message => qr/of this tenant/;
    error_is $team[0]->post($hook{acme}{quick}, { event => 'user.created' }), 429, 'RATE_LIMIT_EXCEEDED', message => qr/of yours/;
    status_is $sign_in->('acme'), 429, 'a tenant\'s share is one, whatever waits';
    status_is $team[2]->get('/api/v1/dashboard/webhooks'), 200, 'what waits for nobody goes on';
    json_is $owner{other}->post($hook{other}{quick}, { event => 'user.created' }), '', { success => true, status_code => 200, message => qr/200/ }, 'another tenant has its test';
    like $sign_in->('other')->header('Location') // '', qr/#access_token=/, 'and signs in with Google';
    cmp_ok $s->metric('ashlar_slow_refusals_total', share => 'tenant'), '>=', 7, 'refusals are counted by whose share was full';
    is $s->metric('ashlar_slow_refusals_total', share => 'caller'), 1;

    $s->expect_log(qr/signal 9/, qr/"message":"nginx".*"status":502.*\/slow\.sock"/, qr/upstream prematurely closed connection|Connection reset by peer/);
    my $children = () = $s->children('slow');
    kill 'KILL', $busy[0];
    is_deeply [ sort grep { !/^200/ } map { result($_) } answered(1, @waiting) ], ['502 BAD_GATEWAY'], 'a child that dies takes its request along';
    # Until its master has reaped it, it is still a process of that name.
    eventually { my @now = $s->children('slow'); @now == $children && !grep { $_ == $busy[0] } @now } 10, 'is replaced,';
    json_is $team[2]->post($hook{acme}{quick}, { event => 'user.created' }), '', { success => true, status_code => 200, message => qr/200/ }, 'and its share is free';
    kill 'CONT', $busy[1];
    is scalar(answered(2, @waiting)), 2, 'a test that nobody answers ends by itself';
    is scalar($silent->requests('/')), 2, 'no other has reached the receiver';
};
