# The guide's page "Tokens and top-up", pasted box by box, as a reader does it.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings, worker => 1);
$t->keep_secret('sk_test_stub');
my $ada = $t->user('ada');

open my $in, '<', 'docs/pages/tokens.html' or die "tokens.html: $!\n";
my @steps = steps(join '', <$in>);
close $in or die "tokens.html: $!\n";
cmp_ok scalar(grep { defined $_->[1] } @steps), '==', scalar(@steps), 'each box has an answer';

my $shell = Ashlar::Guide->shell(TOKEN => $ada->token, HOME => '/tmp', PATH => $ENV{PATH}, LANG => 'C.UTF-8');
for my $step (@steps) {
    my ($box, $shown) = @$step;
    my $got = $shell->paste($box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}gr);
    ok is_as_shown($got, $shown), 'as shown: ' . ($shown =~ s/\s+/ /gr) or diag "$box\n$got";
    # What Stripe.js does on the customer's page.
    if (my ($intent) = $got =~ /"payment_intent_id":"(\w+)"/) {
        $stripe->ask(POST => "payment_intents/$intent/confirm", 'payment_method=pm_card_visa');
        $stripe->told_to($t);
    }
}
is $shell->end, 0, 'the shell ends';
