# Stripe's own client takes t/lib/stub_stripe for Stripe, so what our client is
# tested against (t/ops/stripe.t) speaks as Stripe does.  The signatures that it
# believes here are those that our verifier believes in t/clients/webhooks_in.t.

use v5.36;
use lib 't/lib';
use Ashlar::Stripe;
use Ashlar::Stripe::Params ();
use Cpanel::JSON::XS ();
use IPC::Open2 'open2';
use Test::More;

my $stripe = Ashlar::Stripe->start;
my $true   = Cpanel::JSON::XS::true();
open my $node, '-|', 'node', 't/clients/stripe.mjs', $stripe->url or die "node: $!\n";
my $said = join '', <$node>;
close $node;
is $?, 0, 'the client comes to its end' or BAIL_OUT($stripe->log);
my $seen = Cpanel::JSON::XS->new->utf8->decode($said);

is $seen->{version}, Ashlar::Stripe::version(), 'it speaks the version that we have pinned';
is_deeply $seen->{customer}, { name => "S\x{f8}ren & S\x{f6}hne", metadata => { 'a b' => 'c&d' }, is_same => $true, key => 'one' }, 'texts arrive, and a key makes one of two';
is_deeply $seen->{errors}, {
    key      => { type => 'StripeAuthenticationError', status => 401 },
    right    => { type => 'StripePermissionError', code => 'more_permissions_required', status => 403 },
    reused   => { type => 'StripeIdempotencyError', status => 400 },
    unknown  => { type => 'StripeInvalidRequestError', code => 'parameter_unknown', param => 'mail', status => 400 },
    missing  => { type => 'StripeInvalidRequestError', code => 'resource_missing', param => 'id', status => 404 },
    declined => { type => 'StripeCardError', code => 'card_declined', decline_code => 'insufficient_funds', status => 402, intent => 'requires_payment_method' },
    busy     => { type => 'StripeRateLimitError', code => 'rate_limit', status => 429 },
    down     => { type => 'StripeAPIError', status => 500 },
}, 'each error has its class';
is_deeply $seen->{lost}, [ 'lost@example.com', 1 ], 'an answer that is lost is asked for again, and nothing done twice';
is_deeply $seen->{subscription}, { status => 'active', price => 4900, quantity => 2, days => $true, paid => 9800, parent => $true }, 'a checkout becomes a subscription';
is_deeply $seen->{change}, { shown => 4900, paid => 4900, quantity => 3 }, 'a preview shows what a change costs';
is_deeply [ @$seen{qw(schedule portal code ended)} ], [ [ 'active', 'released' ], 'billing_portal.session', 25, 'canceled' ], 'schedule, portal, code and end';
is $seen->{pages}, $seen->{events}, 'a list is read page by page';
is_deeply $seen->{told}, { all => $true, versions => [ Ashlar::Stripe::version() ] }, 'the events arrive, signed, but for those that get lost';
is_deeply $seen->{forged}, [ [400], [400], [ 200, 200 ] ], 'with another secret or an old time it is none';
is_deeply $seen->{received}, [ ('StripeSignatureVerificationError') x 2, ($seen->{last}) x 2 ], '  and one can come twice';
# The stub's parameters are written by hand, so one that Stripe does not have would be taken for good.
{
    my $pid = open2(my $out, my $in, 'node', 't/clients/stripe_params.mjs');
    print $in Cpanel::JSON::XS->new->canonical->encode(Ashlar::Stripe::Params::known());
    close $in;
    my $said = join '', <$out>;
    waitpid $pid, 0;
    is $?, 0, 'the parameters are compared';
    my ($compared, @unknown) = split /\n/, $said;
    is_deeply \@unknown, [], 'the client declares each that the stub takes';
    cmp_ok $compared // 0, '>', 300, '  and those are all of them';
}

is $stripe->log, "port $stripe->{port}\n", 'the stub made no mistake';
$stripe->stop;
done_testing;
