# The guide's pages "Roles, permissions, teams", "Notifications" and "Activity", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Workspace;

my $t = Api->start(realtime => 1, worker => 1);

for my $page (qw(roles notifications activity)) {
    subtest $page => sub {
        my $w = workspace($t, ann => 'owner', bob => 'member');
        $t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $w->id, $_->uuid) for @$w{qw(ann bob)};
        my $shell = Ashlar::Guide->shell(TOKEN => $w->{ann}->token, THEIRS => $w->{bob}->token);
        my @steps = steps($t->get("/$page.html")->body);
        cmp_ok scalar @steps, '>', 2, 'it has boxes';
        for my $step (@steps) {
            my ($box, $shown) = @$step;
            next if $box =~ /\A(?:TOKEN=|SELECT )/;
            $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
            my $got = $shell->paste($box =~ s/^curl -k/curl -sk/gmr);
            my $name = $box =~ m{(/api/[^\s"?]+)} ? $1 : $box =~ s/\n.*//sr;
            defined $shown ? ok is_as_shown($got, $shown), "$name: as shown" : is $got, '', "$name: nothing is said" or diag "$box\n$got";
        }
        is $shell->end, 0, 'the shell ends';
    };
}
