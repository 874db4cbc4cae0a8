# The guide's pages "Recordsets and fields", "Records", "Filters, search, views", "Maps", "Import and export", "Track records" and "Entities", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Geocoder;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Workspace;

my $geocoder = Ashlar::Geocoder->start;
my $t        = Api->start($geocoder->settings);
$t->start_worker(children => 1);
for my $page (qw(recordsets records record-filters maps import-export record-tracking entities)) {
    my $w = workspace($t, ann => 'owner');
    $t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $w->id, $w->{ann}->uuid);
    my $shell = Ashlar::Guide->shell(TOKEN => $w->{ann}->token, KEY => $t->key, ORG => $w->id);
    my @steps = steps($t->get("/$page.html")->body);
    cmp_ok scalar @steps, '>', 4, "$page: the page has boxes";
    for my $step (@steps) {
        my ($box, $shown) = @$step;
        next if $box =~ /\A(?:TOKEN|KEY)=/;
        $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
        my $got = $shell->paste($box =~ s/\Acurl -k/curl -sk/mgr);
        my $name = $box =~ m{(/api/[^\s"?]+)} ? $1 : 'a box';
        if (defined $shown && $shown !~ /\A\{/) { is $got =~ s/\s+\z//r, $shown, "$name: as shown" }
        elsif (defined $shown)                     { ok is_as_shown($got, $shown), "$name: as shown" or diag "$box\n$got" }
        else                                       { is $got, '', 'nothing is said' }
    }
    is $shell->end, 0, 'the shell ends';
}
