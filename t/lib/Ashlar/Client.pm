package Ashlar::Client;

# A caller of the API: their credentials and their connection.

use v5.36;
use Cpanel::JSON::XS ();

my $json = Cpanel::JSON::XS->new->canonical->utf8->allow_nonref->convert_blessed;

#   http     an Ashlar::Http
#   token    of the Authorization header, or undef
#   key      of the X-API-Key header, or undef
#   origin   the Origin header, as of a page, or undef
#   headers  sent with every request
#   api      whose log and answers are watched (Api)
sub new ($class, %arg) {
    return bless { headers => {}, %arg }, $class;
}

# The same one with other credentials: $ann->with(key => $key, origin => $origin).
sub with ($self, %arg) {
    return bless { %$self, %arg }, ref $self;
}

# What the test may ask of a user: public id, uuid, session, tenant, e-mail address.
sub id        ($self) { return $self->{id} }
sub uuid      ($self) { return $self->{uuid} }
sub session   ($self) { return $self->{session} }
sub tenant_id ($self) { return $self->{tenant_id} }
sub email     ($self) { return $self->{email} }
sub token     ($self) { return $self->{token} }

# The last answer.
sub last ($self) { return $self->{last} }    ## no critic (ProhibitBuiltinHomonyms)

sub get    ($self, $path, %arg) { return $self->request(GET    => $path, %arg) }
sub head   ($self, $path, %arg) { return $self->request(HEAD   => $path, %arg) }
sub delete ($self, $path, %arg) { return $self->request(DELETE => $path, %arg) }    ## no critic (ProhibitBuiltinHomonyms)
sub post  ($self, $path, $body = undef, %arg) { return $self->request(POST  => $path, json => $body, %arg) }
sub patch ($self, $path, $body = undef, %arg) { return $self->request(PATCH => $path, json => $body, %arg) }
sub put   ($self, $path, $body = undef, %arg) { return $self->request(PUT   => $path, json => $body, %arg) }

# Any request.
#
#   query    a hash of parameters, encoded here
#   json     data to encode as the body
#   raw      bytes to send as the body, as they are
#   type     Content-Type of the body; undef leaves it out; application/json by default
#   headers  a hash; an undefined value leaves out a header that is usually sent
#   fresh    on a connection of its own
#   token    another one than usual, undef for none; so with key and origin
sub request ($self, $method, $path, %arg) {
    my $body = $arg{raw} // (defined $arg{json} ? $json->encode($arg{json}) : undef);
    my ($token, $key, $origin) = map { exists $arg{$_} ? $arg{$_} : $self->{$_} } qw(token key origin);
    my %headers = (
        Accept => 'application/json',
        defined $token ? (Authorization => "Bearer $token") : (),
        defined $key    ? ('X-API-Key' => $key)    : (),
        defined $origin ? (Origin      => $origin) : (),
        defined $body ? ('Content-Type' => exists $arg{type} ? $arg{type} : 'application/json') : (),
        %{ $self->{headers} },
        %{ $arg{headers} // {} },
    );
    if (my $query = $arg{query}) {
        $path .= '?' . join '&', map { join '=', map { _escape($_) } $_, $query->{$_} } sort keys %$query;
    }
    # An id from the database is marked as characters, and would make the body some.
    utf8::downgrade($path);
    utf8::downgrade($_, 1) for grep { defined } values %headers;
    $self->{last} = $self->{http}->request(
        $method, $path,
        headers => [ map { defined $headers{$_} ? ($_, $headers{$_}) : () } sort keys %headers ],
        body    => $body,
        fresh   => $arg{fresh},
    );
    $self->{api}->saw($self->{last}, $path) if $self->{api};
    return $self->{last};
}

sub disconnect ($self) {
    $self->{http}->disconnect;
    return $self;
}

sub _escape ($text) {
    utf8::encode($text);
    return $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
}

1;
