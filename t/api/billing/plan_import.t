use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

# ashlar billing import: plans from what an account at Stripe sells.
my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings);
my $olive  = $t->team('olive', role => 'owner');
my $base   = '/api/v1/dashboard/plans';
$t->keep_secret('sk_test_stub');

# The command, with the test's settings: its exit status, and what it says, line by line.
sub import_plans (@arg) {
    local %ENV = (%ENV, %{ $t->{env} }, DATABASE_OWNER_URL => $t->{cluster}->url($t->{database}, 'ashlar'));
    my @said = split /\n/, qx($Ashlar::Cluster::BUILD/ashlar billing import @arg 2>&1);
    return ($? >> 8, grep { !/^ashlar: / } @said);
}
sub plans () { return { map { $_->{name} => $_ } @{ $olive->get($base)->json('/plans') } } }
sub price ($product, $amount, %more) {
    my %p = ('recurring[interval]' => 'month', currency => 'usd', %more);
    return $stripe->ask(POST => 'prices', join '&', "product=$product", "unit_amount=$amount", map { "$_=$p{$_}" } sort keys %p)->{id};
}
my $pro   = $stripe->ask(POST => 'products', 'name=Pro&description=All+of+it')->{id};
my $team  = $stripe->ask(POST => 'products', 'name=Team')->{id};
my %price = (month => price($pro, 2900), year => price($pro, 29_000, 'recurring[interval]' => 'year'), euro => price($team, 500, currency => 'eur'));

subtest 'called wrongly' => sub {
    my ($status, @said) = import_plans();
    is $status, 2, 'a tenant has to be named';
    like "@said", qr/which tenant/;
    ($status) = import_plans('--tenant', 'nobody');
    is $status, 1, 'one that there is';
};

subtest 'what would be imported is said, and not done' => sub {
    my ($status, @said) = import_plans('--dry-run', '--tenant', 'default');
    is $status, 1, 'something differs';
    my @want = ("default $pro plan - Pro", "default $pro month - $price{month}:2900", "default $pro year - $price{year}:29000", "default $team plan - Team", "default $team month - $price{euro}:500");
    is_deeply [ sort grep { /^default / } @said[ 0 .. $#said / 2 ] ], [ sort @want ], 'a line for each difference' or diag join "\n", @said;
    is scalar @said, 10, 'and the same for the test mode, whose account it is, too';
    is_deeply plans(), {}, 'there is no plan';
};

subtest 'it is imported, once' => sub {
    my ($status, @said) = import_plans('--tenant', 'default');
    is $status, 0;
    is scalar @said, 10;
    my $plans = plans();
    is_deeply [ sort keys %$plans ], [qw(Pro Team)];
    is_deeply { map { $_ => $plans->{Pro}{$_} } qw(description price_monthly price_yearly currency is_free is_active stripe_product_id stripe_price_id_monthly stripe_price_id_yearly) },
        { description => 'All of it', price_monthly => 29, price_yearly => 290, currency => 'USD', is_free => false, is_active => true, stripe_product_id => $pro, stripe_price_id_monthly => $price{month}, stripe_price_id_yearly => $price{year} };
    is $plans->{Team}{currency}, 'EUR';
    is_deeply [ import_plans('--tenant', 'default') ], [0], 'run again, there is nothing to do';
    is_deeply [ import_plans('--dry-run', '--tenant', 'default') ], [0], 'and nothing differs';
    is $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'plan.create'}), 4, 'it is put down';
};

subtest 'what has changed there changes here, and no more than that' => sub {
    my $id = plans()->{Pro}{id};
    status_is $olive->put("$base/$id", { name => 'Professional', features => ['Everything'], max_messages_per_month => 7 }), 200;
    $stripe->ask(POST => "products/$pro", 'name=Pro+2026&default_price=' . (my $new = price($pro, 3900)));
    my $old = price($pro, 100);
    my ($status, @said) = import_plans('--tenant', 'default');
    is $status, 0;
    is_deeply [ grep { /^default $pro/ } @said ], [ ("default $pro month $price{month}:2900 $new:3900") x 2 ], 'the default price counts, and not the newest';
    is scalar(grep { /^default (?:\Q$old\E|\Q$price{month}\E) skipped: another price is its product's$/ } @said), 4, 'the others are told of' or diag join "\n", @said;
    my $plan = plans()->{Professional};
    is_deeply [ @$plan{qw(id price_monthly price_yearly stripe_price_id_monthly max_messages_per_month)}, @{ $plan->{features} } ], [ $id, 39, 290, $new, 7, 'Everything' ], 'name and limits are the tenant\'s';
};

subtest 'what cannot be a plan, and names that are taken' => sub {
    my $other = $stripe->ask(POST => 'products', 'name=professional')->{id};
    my %odd = (week => price($other, 100, 'recurring[interval]' => 'week'), two => price($other, 100, 'recurring[interval_count]' => 2), euro => price($pro, 100, currency => 'eur', 'recurring[interval]' => 'year'));
    price($other, 700);
    my $gone = $stripe->ask(POST => 'products', 'name=Gone')->{id};
    price($gone, 100);
    $stripe->ask(POST => "products/$gone", 'active=false');
    my ($status, @said) = import_plans('--tenant', 'default');
    is $status, 0;
    for ([ week => 'it is neither by the month nor by the year' ], [ two => 'it is for more than one of them' ], [ euro => 'another currency is its product\'s' ]) {
        my $line = "default $odd{ $_->[0] } skipped: $_->[1]";
        ok scalar(grep { $_ eq $line } @said), $line;
    }
    ok scalar(grep { /skipped: its product is not sold$/ } @said), 'a product that is not sold';
    is_deeply [ sort grep { /profess/i } keys %{ plans() } ], [ "Professional", "professional ($other)" ], 'a name that is taken says whose it is';
};

subtest 'a plan that was made by hand is the one of its price' => sub {
    my $product = $stripe->ask(POST => 'products', 'name=By+hand')->{id};
    my $price   = price($product, 1500);
    my $id      = $olive->post($base, { name => 'Mine', price_monthly => 10, stripe_price_id_monthly => $price })->json('/id');
    my (undef, @said) = import_plans('--dry-run', '--tenant', 'default');
    is_deeply [ grep { /^default $product/ } @said ], [ "default $product product - $product", "default $product month $price:1000 $price:1500", "default $product plan - By hand", "default $product month - $price:1500" ], 'of the test mode it is a new one' or diag join "\n", @said;
    import_plans('--tenant', 'default');
    is plans()->{Mine}{id}, $id, 'it is none of its own';
    is plans()->{Mine}{price_monthly}, 15;
    ok !plans()->{'By hand'};
};

subtest 'Stripe does not answer' => sub {
    $stripe->command(fail => [ { match => 'GET /v1/prices', times => 9, status => 500 } ]);
    my ($status, @said) = import_plans('--tenant', 'default');
    is $status, 1;
};
