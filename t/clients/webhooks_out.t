# Webhooks that we send, as their receivers verify them: with npm's svix and standardwebhooks.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Deliverer;
use Ashlar::Process;
use Ashlar::Receiver;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();

my $dir = File::Temp->newdir;
my $r   = Ashlar::Receiver->start;
my $t   = Api->start(main => 1, HTTP_ALLOW_PRIVATE => $r->address, WEBHOOK_ALLOW_HTTP => 'true');
my $ann = $t->user('ann')->with(key => $t->key);
my $org = $t->organization($ann);
my $d   = Ashlar::Deliverer->start($t);
$t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $ann->uuid);

# What both libraries say of requests, each with a secret.
sub verified (@all) {
    state $n = 0;
    my ($in, $log) = map { "$dir/$_" . ++$n } qw(in log);
    open my $out, '>', $in or die "$in: $!\n";
    print {$out} encode_json([ map { utf8::decode(my $body = $_->[0]{body}); +{ secret => $_->[1], headers => $_->[0]{headers}, body => $body } } @all ]);
    close $out or die "$in: $!\n";
    my $node = Ashlar::Process->start(cmd => [ 'node', 't/clients/webhooks_out.mjs', $in ], log => $log);
    ok +($node->wait_for(120) // -1) == 0, 'node ran';
    open my $text, '<', $log or die "$log: $!\n";
    return @{ decode_json(scalar(<$text>)) };
}

# What a user does through the API, until the receiver has heard of it.
sub rename_to ($name, $count) {
    status_is $ann->put("/api/v1/organizations/$org", { name => $name }), 200, "the workspace has a new name, $count";
    eventually { $r->requests('/hook') == $count } 30, '  and the receiver hears of it';
    return ($r->requests('/hook'))[-1];
}

my $made = $ann->post('/api/v1/webhooks', { name => 'x', url => $r->url('/hook'), events => ['organization.updated'] });
status_is $made, 201, 'an endpoint';
my ($id, $old) = map { $made->json("/$_") } qw(id secret);
my $first = rename_to("Ann\x{e9} & \"Co\" <\x{1f600}>", 1);

my $again = $ann->post("/api/v1/webhooks/$id/regenerate-secret");
my $new   = $again->json('/secret');
$t->keep_secret($_) for $old, $new;
my $second = rename_to('Later', 2);
$t->db->do('UPDATE webhook_endpoints SET previous_secret_until = now()');
my $third = rename_to('Latest', 3);
my %forged = (%$third, body => $third->{body} =~ s/Latest/Forged/r);
my %other  = (%$third, headers => { %{ $third->{headers} }, 'webhook-id' => 'msg_other' });

my @cases = (
    [ 'a message, with the secret'                     => $first,   $old, 1 ],
    [ 'with another one'                               => $first,   $new, 0 ],
    [ 'after a new secret, with the old one'           => $second,  $old, 1 ],
    [ '  and with the new one'                         => $second,  $new, 1 ],
    [ 'a day later, with the new one'                  => $third,   $new, 1 ],
    [ '  and with the old one no more'                 => $third,   $old, 0 ],
    [ 'not a body that was changed'                    => \%forged, $new, 0 ],
    [ 'nor another id'                                 => \%other,  $new, 0 ],
);
my @said = verified(map { [ @$_[ 1, 2 ] ] } @cases);
for my $i (0 .. $#cases) {
    my $verdict = $cases[$i][3] ? true : false;
    is_deeply $said[$i], { svix => $verdict, standardwebhooks => $verdict }, $cases[$i][0];
}
is decode_json($first->{body})->{data}{name}, "Ann\x{e9} & \"Co\" <\x{1f600}>", 'the text is as it was';
$d->term;
ok $d->ended(20), 'the deliverer ends';
