# The guide's pages "Accounts and teams" and "Notifications and activity", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use File::Temp ();

my $t = Api->start;

for my $page (qw(accounts-and-teams notifications-and-activity)) {
    subtest $page => sub {
        my ($ann, $bob) = map { $t->user($_, tenant => $page, columns => { full_name => ucfirst }) } qw(ann bob);
        my $shell = Ashlar::Guide->shell(TOKEN => $ann->token, BOB => scalar $t->db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $bob->uuid));
        my $place = File::Temp->newdir;    # of the files that the page writes
        $shell->paste("cd $place");
        my @steps = steps($t->get("/$page.html")->body);
        cmp_ok scalar @steps, '>', 5, 'it has boxes';
        for my $step (@steps) {
            my ($box, $shown) = @$step;
            next if $box =~ /\A(?:TOKEN|BOB)=/;
            $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
            my $got = $shell->paste($box);
            my ($name) = $box =~ m{(/api/[^\s"?]+)};
            if (defined $shown && $shown !~ /\A\{/) { is $got =~ s/\s+\z//r, $shown, "$name: as shown" }
            elsif (defined $shown)                     { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
            else                                       { is $got, '', 'nothing is said' or diag $box }
        }
        is $shell->end, 0, 'the shell ends';
    };
}
