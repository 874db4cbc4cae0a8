use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Stripe;

# What stands on an organization's invoices, which Stripe keeps.
my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings);
my $key    = $t->key;
my $ann    = $t->user('ann')->with(key => $key);
my $org    = $ann->post('/api/v1/organizations', { name => 'Acme', slug => 'acme' })->json('/id');
my %role   = map { my $user = $t->user("the-$_")->with(key => $key); $t->member($org, $user, $_); $_ => $user } qw(developer member);
my $at     = "/api/v1/organizations/$org/billing-details";
my %none   = map { $_ => undef } qw(name email line1 line2 city state postal_code country tax_id_type tax_id);
$t->keep_secret('sk_test_stub');

sub customer () { return $stripe->ask(GET => 'customers')->{data}[0] }
sub tax_ids () { return map { "$_->{type} $_->{value}" } @{ $stripe->ask(GET => 'tax_ids', 'owner[type]=customer&owner[customer]=' . customer()->{id})->{data} } }

subtest 'who may' => sub {
    error_is $t->client(key => $key)->get($at), 401, 'AUTHENTICATION_ERROR';
    error_is $role{member}->get($at), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_READ';
    error_is $role{developer}->put($at, { name => 'x' }), 403, 'AUTHORIZATION_ERROR', permission => 'BILLING_MANAGE';
    json_is $role{developer}->get($at), '', \%none, 'before anything is bought nothing is known';
    is scalar $stripe->seen, 0, '  and Stripe is not asked';
    error_is $ann->put($at, { tax_id => 'IE6388047V' }), 422, 'VALIDATION_ERROR', field => 'tax_id_type';
    error_is $ann->put($at, { tax_id_type => 'eu_vat' }), 422, 'VALIDATION_ERROR', field => 'tax_id';
    error_is $ann->put($at, { country => 'IRL' }), 422, 'VALIDATION_ERROR', field => 'country';
};

subtest 'they are set, and are what Stripe has' => sub {
    my %sent = (name => 'Acme Ltd.', email => 'accounts@acme.example', line1 => '1 Harbour Street', city => 'Dublin', country => 'IE', tax_id_type => 'eu_vat', tax_id => 'IE6388047V');
    json_is $ann->put($at, \%sent), '', { %none, %sent };
    is_deeply [ @{ customer() }{qw(name email)}, @{ customer()->{address} }{qw(line1 city country)}, tax_ids() ], [ 'Acme Ltd.', 'accounts@acme.example', '1 Harbour Street', 'Dublin', 'IE', 'eu_vat IE6388047V' ], 'there';
    is customer()->{metadata}{organization_id}, $org, 'of the organization\'s customer';
    json_is $role{developer}->get($at), '', { %none, %sent }, 'and are shown so';
    json_is $ann->put($at, { line1 => undef, city => 'Cork' }), '', { %none, %sent, line1 => undef, city => 'Cork' }, 'null clears, what is left out stays';
    is $t->db->selectrow_array(q{SELECT count(*) FROM billing_customers}), 1, 'one customer';
    is $t->db->selectrow_array(q{SELECT count(*) FROM billing_operations WHERE kind <> 'details' OR state <> 'done'}), 0, 'each was an operation, and a look is none';
};

subtest 'one tax id, in place of the one before' => sub {
    $ann->put($at, { tax_id_type => 'eu_vat', tax_id => 'IE6388047V' });
    is join(', ', tax_ids()), 'eu_vat IE6388047V', 'the same one stays';
    json_is $ann->put($at, { tax_id_type => 'gb_vat', tax_id => 'GB123456789' }), '/tax_id', 'GB123456789';
    is join(', ', tax_ids()), 'gb_vat GB123456789', 'another one replaces it';
    error_is $ann->put($at, { tax_id_type => 'gb_vat', tax_id => 'GB1' }), 422, 'VALIDATION_ERROR', field => 'tax_id', message => qr/no tax id of that type/;
    is join(', ', tax_ids()), 'gb_vat GB123456789', '  but not one that Stripe refuses';
    json_is $ann->put($at, { tax_id => undef, tax_id_type => undef }), '/tax_id', undef;
    is join(', ', tax_ids()), '', 'and null is none';
};

subtest 'Stripe is away: the same again is done once' => sub {
    $t->expect_log(qr/Stripe|EXTERNAL|breaker/);
    $stripe->command(fail => [ { match => 'POST /v1/tax_ids', times => 9, lose => 'after' } ]);
    error_is $ann->put($at, { tax_id_type => 'us_ein', tax_id => '12-3456789' }), 502, 'EXTERNAL_SERVICE_ERROR';
    $stripe->command(fail => []);
    my $res;
    eventually { ($res = $ann->put($at, { tax_id_type => 'us_ein', tax_id => '12-3456789' }))->status == 200 } 40, 'sent again';
    is join(', ', tax_ids()), 'us_ein 12-3456789', 'there is one';
};
