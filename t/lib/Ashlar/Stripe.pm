package Ashlar::Stripe;

# Stripe, for a test.  Runs t/lib/stub_stripe, which says what it can be told.

use v5.36;
use Ashlar::Http;
use Ashlar::Process;
use Cpanel::JSON::XS ();
use Digest::SHA 'hmac_sha256_hex';
use File::Temp ();
use Time::HiRes 'sleep';

my $SECRET = 'whsec_of_the_stub_0123';
my $json   = Cpanel::JSON::XS->new->utf8->canonical;

sub start ($class, %arg) {
    my $tmp  = File::Temp->newdir;
    my $self = bless { key => 'sk_test_stub', %arg, tmp => $tmp, process => Ashlar::Process->start(cmd => [ 't/lib/stub_stripe', version() ], log => "$tmp/log") }, $class;
    for (1 .. 500) {
        sleep 0.01;
        open my $in, '<', "$tmp/log" or next;
        last if (<$in> // '') =~ /^port (\d+)$/ && ($self->{port} = $1);
    }
    $self->{port} or die "t/lib/stub_stripe does not start\n";
    return $self;
}

# The version that our client speaks.
sub version () {
    open my $in, '<', 'providers/stripe.h' or die "providers/stripe.h: $!\n";
    my ($version) = join('', <$in>) =~ /STRIPE_VERSION "([^"]+)"/ or die "providers/stripe.h has no version\n";
    return $version;
}

sub url ($self) { return "http://127.0.0.1:$self->{port}" }

# The settings that lead an api here; it takes plain http in development only.
sub settings ($self) { return (ENVIRONMENT => 'development', STRIPE_API_URL => $self->url, STRIPE_SECRET_KEY => $self->{key}, STRIPE_WEBHOOK_SECRET => $SECRET) }

# The same stub, as another account has it, by its key and its webhook's secret.
sub account ($self, $key, $secret = $SECRET) { return bless { %$self, key => $key, secret => $secret, told => undef }, ref $self }

# Tell the stub something, as its head lists it: command(complete => { session => … }); of another account with key.
sub command ($self, $what, $with = {}, $key = $self->{key}) {
    my $res = Ashlar::Http->new(port => $self->{port})->request(PUT => "/_/$what?$key", body => $json->encode($with), fresh => 1);
    die "$what: ", $res->status, ' ', $res->body, "\n" if $res->status != 200;
    return $json->decode($res->body);
}

# What Stripe's own API answers to a form, as a client of its own: ask(POST => 'prices', 'currency=eur&…').
sub ask ($self, $method, $path, $form = '') {
    my $n   = ++$self->{asked};
    my $res = Ashlar::Http->new(port => $self->{port})->request(
        $method => "/v1/$path" . ($method eq 'GET' && length $form ? "?$form" : ''),
        fresh   => 1,
        headers => [ Authorization => "Bearer $self->{key}", 'Stripe-Version' => version(), $method eq 'POST' ? ('Idempotency-Key' => "test-$n", 'Content-Type' => 'application/x-www-form-urlencoded') : () ],
        $method eq 'POST' ? (body => $form) : (),
    );
    die "$method $path: ", $res->status, ' ', $res->body, "\n" if $res->status != 200;
    return $json->decode($res->body);
}

# A price by the month or year, of a product of its own; its id.
sub price ($self, $amount, $currency = 'usd', $interval = 'month') {
    return $self->ask(POST => 'prices', "currency=$currency&unit_amount=$amount&recurring[interval]=$interval&product_data[name]=Plan")->{id};
}

# The events since the last time, the oldest first, as Stripe would post them.
sub events ($self) {
    my $list = $self->ask(GET => 'events', 'limit=100' . (defined $self->{told} ? "&ending_before=$self->{told}" : ''));
    $self->{told} = $list->{data}[0]{id} if @{ $list->{data} };
    return reverse @{ $list->{data} };
}

# Post events to an api (Api.pm), signed with the secret that it has in settings(); the answers.
sub deliver ($self, $t, $events = [ $self->events ], %arg) {
    return map {
        my $body = $json->encode($_);
        my $at   = $arg{at} // time;
        $t->request(POST => $arg{path} // '/api/v1/public/webhooks/stripe', raw => $body, headers => { 'Stripe-Signature' => "t=$at,v1=" . hmac_sha256_hex("$at.$body", $arg{secret} // $self->{secret} // $SECRET) });
    } @$events;
}

# Post what has happened, and wait until the worker has looked at all of it.
sub told_to ($self, $t, @events) {
    my @refused = grep { $_->status != 200 } $self->deliver($t, @events ? \@events : [ $self->events ], path => $self->{path});
    die $refused[0]->status, ' ', $refused[0]->body, "\n" if @refused;
    for (1 .. 3000) {
        return if !$t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind IN ('webhook.in', 'billing.look') AND state IN ('scheduled', 'queued', 'running')});
        sleep 0.02;
    }
    die "the worker does not come to an end\n";
}

# The requests that came so far, and how many of them.
sub seen ($self) { return @{ $self->command('seen') } }

# The log, where a mistake of the stub's own ends up.
sub log ($self) { open my $in, '<', "$self->{tmp}/log" or return ''; return join '', <$in> }    ## no critic (ProhibitBuiltinHomonyms)

sub stop ($self) { return $self->{process}->stop }

1;
