# The guide's page "Charge for it", pasted box by box, as a reader does it.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings, worker => 1);
$t->keep_secret('sk_test_stub');
$t->key(type => 'public', origins => ['http://localhost:3000']);
my $key = $t->key;
my $ada = $t->user('ada');
my $org = $t->organization($ada);

open my $in, '<', 'docs/pages/charge.html' or die "charge.html: $!\n";
my @steps = steps(join '', <$in>);
close $in or die "charge.html: $!\n";
# Settings, and a command that is run elsewhere, show no answer.
cmp_ok scalar(@steps = grep { defined $_->[1] } @steps), '>=', 5, 'boxes with an answer';

my $shell = Ashlar::Guide->shell(
    TEAM_TOKEN => $t->team('olive', role => 'owner')->token, KEY => $key, TOKEN => $ada->token, ORG => $org, STRIPE_SECRET_KEY => 'sk_test_stub', HOME => '/tmp', PATH => $ENV{PATH}, LANG => 'C.UTF-8',
);
for my $step (@steps) {
    my ($box, $shown) = @$step;
    my $here = $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}gr =~ s{https://api\.stripe\.com}{$stripe->url}ger;
    my $got  = $shell->paste($here);
    ok is_as_shown($got, $shown), 'as shown: ' . ($shown =~ s/\s+/ /gr) or diag "$box\n$got";
    # What the customer does on Stripe's page.
    if (my ($session) = $got =~ /"session_id":"(\w+)"/) {
        $stripe->command(complete => { session => $session });
        $stripe->told_to($t);
    }
}
is $shell->end, 0, 'the shell ends';
