package Ashlar::Google;

# Google, and a person with a browser there.  Runs t/lib/stub_google, which says
# what it can be told.

use v5.36;
use Ashlar::Http;
use Ashlar::Process;
use Ashlar::Token qw(mint sign_key);
use Cpanel::JSON::XS qw(encode_json decode_json);
use File::Temp ();
use Time::HiRes 'sleep';

sub start ($class) {
    my $tmp  = File::Temp->newdir;
    my $self = bless { tmp => $tmp, process => Ashlar::Process->start(cmd => ['t/lib/stub_google'], log => "$tmp/log"), key => sign_key('RSA', 'google-1') }, $class;
    for (1 .. 500) {
        sleep 0.01;
        open my $in, '<', "$tmp/log" or next;
        last if (<$in> // '') =~ /^port (\d+)$/ && ($self->{port} = $1);
    }
    $self->{port} or die "t/lib/stub_google does not start\n";
    $self->serve($self->{key});
    return $self;
}

# The settings that lead an api here; it takes keys over plain http in development only.
sub settings ($self) {
    my $base = "http://127.0.0.1:$self->{port}";
    return (ENVIRONMENT => 'development', GOOGLE_AUTH_URL => "$base/auth", GOOGLE_TOKEN_URL => "$base/token", GOOGLE_JWKS_URL => "$base/certs");
}

sub key ($self) { return $self->{key} }

# From now on, these keys.
sub serve ($self, @keys) { return $self->_request(PUT => '/keys', { keys => [ map { $_->{jwk} } @keys ] }) }

# How it answers: answer(status => 500, body => ''), or answer() for the normal way.
sub answer ($self, %how) { return $self->_request(PUT => '/answer', \%how) }

# What came so far: {token => [forms], certs => count}.
sub seen ($self) { return decode_json($self->_request(GET => '/seen')->body) }

sub stop ($self) { return $self->{process}->stop }

# The parameters of a URL, and its parts: ($before, \%query, \%fragment).
sub parts ($url) {
    my ($before, $query, $fragment) = $url =~ /\A([^?#]*)(?:\?([^#]*))?(?:#(.*))?\z/s;
    return $before, map { +{ map { map { s/%([0-9A-F]{2})/chr hex $1/ger } split /=/, $_, 2 } split /&/, $_ // '' } } $query, $fragment;
}

# The person is sent to this URL of Google's, signs in and agrees: the path that
# the browser comes back to us with.  The pairs are claims of the ID token, an
# undefined value removes one; and
#
#   secret     the client secret that Google has on file
#   code       the code; made up when left out
#   state      another one than the URL's
#   token_key  the key that signs the ID token, and alg and header as for mint
sub agree ($self, $url, %claim) {
    state $n = 0;
    my (undef, $asked) = parts($url);
    my %arg  = map { exists $claim{$_} ? ($_ => delete $claim{$_}) : () } qw(secret code state token_key alg header);
    my $key  = exists $arg{token_key} ? $arg{token_key} : $self->{key};
    my $code = $arg{code} // sprintf '4/0AX4XfWh-%d-%d', $$, ++$n;
    my $now  = int time;
    my %all  = (
        iss => 'https://accounts.google.com', azp => $asked->{client_id}, aud => $asked->{client_id}, sub => '10769150350006150715113082367',
        email => 'jsmith@example.com', email_verified => Cpanel::JSON::XS::true(), at_hash => 'HK6E_P6Dh8Y93mRNtsDB1Q',
        name => 'Jane Smith', picture => 'https://lh3.googleusercontent.com/a-/AOh14Gi0', given_name => 'Jane', nonce => $asked->{nonce},
        iat => $now, exp => $now + 3600, %claim,
    );
    delete @all{ grep { !defined $all{$_} } keys %all };
    my $id_token = mint(\%all, alg => $arg{alg} // 'RS256', key => $key, header => { kid => $self->{key}{kid}, %{ $arg{header} // {} } });
    $self->_request(PUT => '/codes', {
        code => $code, client_id => $asked->{client_id}, client_secret => $arg{secret}, redirect_uri => $asked->{redirect_uri},
        code_challenge => $asked->{code_challenge}, id_token => $id_token,
    });
    $self->{last} = { code => $code, id_token => $id_token };
    return $self->back(state => $arg{state} // $asked->{state}, code => $code, scope => 'email profile openid', authuser => 0, prompt => 'none');
}

# The path of our callback with these parameters.
sub back ($self, %query) {
    return '/api/v1/auth/google/callback?' . join '&', map { "$_=" . $query{$_} =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger } sort keys %query;
}

# The last code and ID token.
sub last ($self) { return @{ $self->{last} }{qw(code id_token)} }    ## no critic (ProhibitBuiltinHomonyms)

sub _request ($self, $method, $path, $body = undef) {
    return Ashlar::Http->new(port => $self->{port})->request($method, $path, body => defined $body ? encode_json($body) : undef, fresh => 1);
}

1;
