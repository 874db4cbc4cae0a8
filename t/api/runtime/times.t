# Times are as precise as their surface says, wherever an answer has one: in columns, in what PostgreSQL made JSON of,
# and in what the history of a row keeps.  The workspace's have microseconds, all others milliseconds; both are UTC.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Sample;
use Cpanel::JSON::XS 'decode_json';

my $t  = Api->start(main => 1, slow => 1, hash => 0);
my $db = $t->db;
Ashlar::Sample->fill($db, $t->tenant_id);
my $key  = $t->key;
my $ann  = $t->user('ann', role => 'superadmin', columns => { is_email_verified => 1 })->with(key => $key);
my $org  = $t->organization($ann);
my $team = $t->team('boss', role => 'owner');
$db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $ann->uuid);
my $server = $t->client(key => $key);
my %who = (
    (map { $_ => $ann } qw(user admin member key_and_user user_with_key key_with_user organization_member secret_key_and_user key_or_user user_or_key person session signed_in)),
    (map { $_ => $server } qw(key anyone_with_key secret_key)), (map { $_ => $team } qw(team team_admin team_any_mode team_admin_any_mode)),
    anyone => $t->client,
);

# Rows of everybody who asks, with a history.
status_is $ann->post('/api/v1/app/projects', { name => "p$_" }), 201 for 1, 2;
status_is $ann->post('/api/v1/organizations', { name => 'Acme', slug => 'acme' }), 201;
status_is $team->post('/api/v1/dashboard/api-keys', { name => 'x', type => 'secret' }), 201;
my ($endpoint) = $db->selectrow_array(q{INSERT INTO webhook_endpoints (tenant_id, organization_id, name, url, events, secret_sealed, secret_tail)
    VALUES (?, ?, 'x', 'https://x.example', '{*}', 'x', 'x') RETURNING id}, undef, $t->tenant_id, $org);
my ($delivery) = $db->selectrow_array(q{INSERT INTO webhook_deliveries (tenant_id, endpoint_id, message_id, event) VALUES (?, ?, 'msg_harbour', 'x') RETURNING id},
    undef, $t->tenant_id, $endpoint);
$db->do('INSERT INTO webhook_attempts (tenant_id, delivery_id, number) VALUES (?, ?, 1)', undef, $t->tenant_id, $delivery);
my $task = $ann->post('/api/task-queue/submit', { task_type => 'x', max_attempts => 3 })->json('/data/id');
status_is $ann->post('/api/task-queue/claim', { worker_id => 'w' }), 200;
status_is $ann->post("/api/task-queue/$task/fail", { worker_id => 'w', error => 'x' }), 200;

my %form = (workspace => qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/, other => qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/);
my $times = 0;

# The times somewhere in an answer that have another form: "/items/0/created_at 2026-01-31T12:00:00Z".
sub odd ($value, $form, $at = '') {
    # A payload is what was sent, or came: the sender's very bytes.
    return map { odd($value->{$_}, $form, "$at/$_") } grep { $_ ne 'payload' } sort keys %$value if ref $value eq 'HASH';
    return map { odd($value->[$_], $form, "$at/$_") } 0 .. $#$value if ref $value eq 'ARRAY';
    return if !defined $value || $value !~ /\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;
    $times++;
    return $value =~ $form ? () : "$at $value";
}

# What a part of a path may be, to get at one row of each.
my %id;
sub known ($path, $body) {
    my ($list) = grep { ref eq 'ARRAY' } ref $body eq 'HASH' ? map { ref $_ eq 'HASH' && $_->{items} || $_ } sort { ref $b cmp ref $a } values %$body : $body;
    $id{$path} = $list->[0]{id} // $list->[0]{sub} if $list && ref $list->[0] eq 'HASH';
    return;
}

open my $out, '-|', "$Ashlar::Cluster::BUILD/ashlar", 'routes' or die "routes: $!\n";
my @rows = map { decode_json($_) } <$out>;
close $out or die "routes: $?\n";
my %asked;
for my $row (sort { $a->{path} cmp $b->{path} } grep { $_->{method} eq 'GET' && !$_->{static} } @rows) {
    my $who = $who{ $row->{caller}{name} } or next;
    my $path = $row->{path};
    while (my ($list, $rest) = $path =~ m/\A([^{]*)\/\{[^}]*\}(.*)\z/) {
        $path = "$list/" . ($id{$list} // ($list =~ /organizations\z/ ? $org : '-')) . $rest;
    }
    for my $version ($path =~ m{/v1/(?:app|admin|public)/} ? (1, 2) : 1) {
        my $res = $who->get($path =~ s{/v1/}{/v$version/}r);
        next if $res->status != 200 || ($res->header('Content-Type') // '') !~ /json/;
        known($path, $res->json) if $version == 1;
        $asked{$path} = 1;
        my $surface = $row->{id} =~ /^workspace/ ? 'workspace' : 'other';
        is join(', ', odd($res->json, $form{$surface})), '', "$row->{id}, version $version";
    }
}
cmp_ok scalar(keys %asked), '>', 30, keys(%asked) . ' rows answered';
cmp_ok $times, '>', 100, "with $times times";
