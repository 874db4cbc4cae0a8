use v5.36;
use lib 't/lib';
use Api;
use File::Temp ();

# Mails that are kept in files, in development: the team reads its own there, and nobody reads any elsewhere.
my $dir = File::Temp->newdir('/tmp/ashlar-mails-XXXXXX');
my $t   = Api->start(ENVIRONMENT => 'development', MAIL_DIR => "$dir");
my $olive  = $t->team('olive');
my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
my $ann    = $t->user('ann');
my $path   = '/api/v1/dashboard/mails';
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub file ($name, $text) {
    open my $out, '>:raw', "$dir/$name" or die "$dir/$name: $!\n";
    print $out $text;
    close $out or die "$dir/$name: $!\n";
    return;
}

sub mail ($tenant, $to, $stamp, $text) {
    my ($id) = $t->db->selectrow_array(q{INSERT INTO jobs (tenant_id, queue, kind, state, finished_at, payload) VALUES (?, 'ashlar.mail', 'mail', 'completed', now(), jsonb_build_object('to', ?::text)) RETURNING id}, undef, $tenant, $to);
    file("$stamp-verify_email-$id.eml", $text);
    return $id;
}

my $first  = mail($olive->tenant_id, 'ann@example.com', '20261130T040500Z', "Subject: one\r\n\r\nFollow https://a.example/?token=x\r\n");
my $second = mail($olive->tenant_id, 'bob@example.com', '20261130T040501Z', "Subject: two\r\n\r\n");
my $theirs = mail($rival->tenant_id, 'eve@example.com', '20261130T040502Z', "Subject: of others\r\n\r\n");
file('notes.txt', 'none');
file(".$first", 'half written');
file('20261130T040503Z-verify_email-no-id-at-all-but-36-letters-long-abcde.eml', 'none');

subtest 'who may' => sub {
    for my $where ($path, "$path/$first") {
        error_is $t->get($where), 401, 'AUTHENTICATION_ERROR';
        error_is $ann->get($where), 401, 'AUTHENTICATION_ERROR', name => 'no user';
    }
    error_is $rival->get("$path/$first"), 404, 'NOT_FOUND', name => 'not of another tenant';
    is_deeply [ map { $_->{id} } @{ $rival->get($path)->json('/mails') } ], [$theirs];
};

subtest 'the list, and one of it' => sub {
    json_is $olive->get($path), '/mails', [
        { id => $second, template => 'verify_email', to => 'bob@example.com', sent_at => '2026-11-30T04:05:01.000Z' },
        { id => $first,  template => 'verify_email', to => 'ann@example.com', sent_at => '2026-11-30T04:05:00.000Z' },
    ], 'the newest first, and only what is a mail';
    json_is $olive->get("$path/$first"), '', { id => $first, template => 'verify_email', to => 'ann@example.com', sent_at => '2026-11-30T04:05:00.000Z', source => "Subject: one\r\n\r\nFollow https://a.example/?token=x\r\n" };
    error_is $olive->get("$path/$_"), 404, 'NOT_FOUND', name => $_ for $nobody, $theirs, 'notes.txt', '..%2F..%2Fetc%2Fpasswd', "..%2F$first";
    unlink "$dir/20261130T040500Z-verify_email-$first.eml";
    symlink '/etc/hostname', "$dir/20261130T040500Z-verify_email-$first.eml" or die "symlink: $!\n";
    error_is $olive->get("$path/$first"), 404, 'NOT_FOUND', name => 'a link is followed nowhere';
};

subtest 'elsewhere there are none' => sub {
    for my $set ({ ENVIRONMENT => 'production', MAIL_DIR => "$dir" }, { ENVIRONMENT => 'development', MAIL_DIR => "$dir", MAIL_URL => 'smtp://localhost:2525', MAIL_FROM => 'no-reply@example.com' }, { ENVIRONMENT => 'development' }) {
        my $other = Api->start(main => 1, %$set);
        my $team  = $other->team('olive', role => 'owner');
        error_is $team->get($_), 404, 'NOT_FOUND', name => join ' ', map { "$_=$set->{$_}" } grep { $_ ne 'MAIL_DIR' } sort keys %$set for $path, "$path/$second";
    }
};
