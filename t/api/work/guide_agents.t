# The guide's page "Agents of a tenant", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Systemd;
use File::Temp ();

# A service manager that is a mock, for the agent on the host.
my $units   = File::Temp->newdir('/tmp/ashlar-systemd-XXXXXX');
my $systemd = Ashlar::Systemd->new("$units");
my $t       = Api->start(main => 1, slow => 1, host => 1, SERVICE_MANAGER => 'systemd', DBUS_SYSTEM_BUS_ADDRESS => $systemd->{address});
my $shell = Ashlar::Guide->shell(TOKEN => $t->user('ann', role => 'editor')->token);
my $place = File::Temp->newdir;    # of the files that the page writes
$shell->paste("cd $place");
my @steps = steps($t->get('/tenant-agents.html')->body);
cmp_ok scalar @steps, '>', 5, 'it has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    next if $box =~ /\ATOKEN=/;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box);
    my ($name) = $box =~ m{(/api/[^\s"?]+)};
    if (defined $shown && $shown !~ /\A\{/) { is $got =~ s/\s+\z//r, $shown, "$name: as shown" }
    else                                    { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
}
is $shell->end, 0, 'the shell ends';
