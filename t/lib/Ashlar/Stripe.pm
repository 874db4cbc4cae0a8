package Ashlar::Stripe;

# Stripe, for a test.  Runs t/lib/stub_stripe, which says what it can be told.

use v5.36;
use Ashlar::Http;
use Ashlar::Process;
use Cpanel::JSON::XS ();
use File::Temp ();
use Time::HiRes 'sleep';

my $json = Cpanel::JSON::XS->new->utf8->canonical;

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
sub settings ($self) { return (ENVIRONMENT => 'development', STRIPE_API_URL => $self->url, STRIPE_SECRET_KEY => $self->{key}) }

# Tell the stub something, as its head lists it: command(complete => { session => … }); of another account with key.
sub command ($self, $what, $with = {}, $key = $self->{key}) {
    my $res = Ashlar::Http->new(port => $self->{port})->request(PUT => "/_/$what?$key", body => $json->encode($with), fresh => 1);
    die "$what: ", $res->status, ' ', $res->body, "\n" if $res->status != 200;
    return $json->decode($res->body);
}

# The requests that came so far, and how many of them.
sub seen ($self) { return @{ $self->command('seen') } }

# The log, where a mistake of the stub's own ends up.
sub log ($self) { open my $in, '<', "$self->{tmp}/log" or return ''; return join '', <$in> }    ## no critic (ProhibitBuiltinHomonyms)

sub stop ($self) { return $self->{process}->stop }

1;
