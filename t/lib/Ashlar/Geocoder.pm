package Ashlar::Geocoder;

# A server that says where addresses are, on a free port of loopback: as Google's Geocoding API (/google) and as a Nominatim
# (/nominatim/search). It refuses what those would not take. A process per connection.
#
#     my $geo = Ashlar::Geocoder->start;
#     Api->start($geo->settings);                    # Google; settings('nominatim')
#     $geo->answer({ status => 'OVER_QUERY_LIMIT' }, {});    # first the one, then as usual
#     $geo->asked;                                   # what came: { address, headers, at }
#
# An address with the word Nowhere in it is nowhere; of others the place is where() says.
#
#   status   of Google's own (OK, ZERO_RESULTS, …)
#   http     a status of HTTP
#   headers  of it
#   delay    seconds before it answers
#   place    [lat, lng]
#   body     the bytes of it
use v5.36;
use utf8;
use Cpanel::JSON::XS ();
use Digest::MD5 'md5';
use Encode qw(decode encode);
use Fcntl 'LOCK_EX';
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

my $json = Cpanel::JSON::XS->new->canonical->utf8;
our $KEY = 'AIza-geo-stub+/=';
my %KNOWN = ('skeppsbron 2, stockholm' => [ 59.3268, 18.0717 ]);    # of the guide

sub start ($class) {
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64) or die "listen: $@\n";
    my $dir    = File::Temp->newdir('/tmp/ashlar-geocoder-XXXXXX');
    my $self   = bless { port => $server->sockport, tmp => $dir, dir => "$dir", owner => $$ }, $class;
    $self->{pid} = fork // die "fork: $!\n";
    return $self if $self->{pid};
    setpgrp;
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{TERM} = 'DEFAULT';
    local $SIG{PIPE} = 'IGNORE';
    while (1) {
        my $peer = $server->accept or next;
        next if fork;
        eval { $self->_serve($peer); 1 } or $self->_note({ died => "$@" });
        POSIX::_exit(0);
    }
    return POSIX::_exit(1);
}

sub DESTROY ($self) {
    return if $self->{owner} != $$ || !$self->{pid};
    local $?;    # what a test that dies exits with
    kill TERM => -$self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

sub settings ($self, $which = 'google') {
    my $base = "http://127.0.0.1:$self->{port}";
    return (GEOCODER => 'nominatim', NOMINATIM_URL => "$base/nominatim", GEOCODING_RETRY_S => 1) if $which eq 'nominatim';
    return (GOOGLE_GEOCODING_URL => "$base/google/maps/api/geocode/json", GOOGLE_GEOCODING_KEY => $KEY, GEOCODING_RETRY_S => 1, GEOCODING_RATE => 1000);
}

# Where an address is: the same place for the same one.
sub where ($class, $address) {
    return @{ $KNOWN{ lc $address } } if $KNOWN{ lc $address };
    my @b = unpack 'N2', md5(encode('UTF-8', lc $address));
    return (($b[0] % 170000) / 1000 - 85, ($b[1] % 350000) / 1000 - 175);
}

# How it answers from now on: in turn, the last one for ever. What came before is forgotten.
sub answer ($self, @how) {
    open my $out, '>', "$self->{dir}/how.new" or die "$!\n";
    print {$out} $json->encode(\@how);
    close $out or die "$!\n";
    unlink "$self->{dir}/turns", "$self->{dir}/seen";
    rename "$self->{dir}/how.new", "$self->{dir}/how" or die "$!\n";
    return;
}

# What came, oldest first.
sub asked ($self) {
    my @all;
    if (open my $in, '<', "$self->{dir}/seen") { @all = map { $json->decode($_) } grep { /\n\z/ } <$in> }
    for (@all) { die "the stub died: $_->{died}" if $_->{died} }
    return @all;
}

sub _note ($self, $what) {
    open my $out, '>>', "$self->{dir}/seen" or return;
    syswrite $out, $json->encode($what) . "\n";
    close $out;
    return;
}

sub _how ($self) {
    open my $in, '<', "$self->{dir}/how" or return {};
    my $all = $json->decode(do { local $/ = undef; <$in> });
    open my $turns, '+>>', "$self->{dir}/turns" or die "$!\n";
    flock $turns, LOCK_EX;
    my $n = -s $turns;
    syswrite $turns, '.';
    return $all->[ $n > $#$all ? -1 : $n ] // {};
}

sub _unescape ($text) { return decode('UTF-8', $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger, Encode::FB_CROAK) }

sub _serve ($self, $peer) {
    my $in = '';
    until ($in =~ /\r\n\r\n/) { sysread $peer, $in, 65536, length $in or return }
    my ($first, @lines) = split /\r\n/, $in;
    my ($method, $path, $query) = $first =~ m{\A(\w+) ([^ ?]+)\??(\S*) HTTP};
    my %headers = map { my ($name, $value) = split /:\s*/, $_, 2; (lc $name => $value) } grep { /:/ } @lines;
    # Not as a form: + is itself.
    my %asked = map { my ($name, $value) = split /=/, $_, 2; ($name => _unescape($value // '')) } split /&/, $query;
    my ($is_google, $is_nominatim) = ($path eq '/google/maps/api/geocode/json', $path eq '/nominatim/search');
    my $address = $is_google ? $asked{address} : $asked{q};
    $self->_note({ address => $address, headers => \%headers, at => time, method => $method });
    return $self->_send($peer, 404, { error => 'no such path' }) if $method ne 'GET' || !$is_google && !$is_nominatim;
    my $how = $self->_how;
    sleep $how->{delay} if $how->{delay};
    return $self->_send($peer, $how->{http} // 200, $how->{body}, $how->{headers}) if defined $how->{body};
    return $self->_send($peer, $how->{http}, { error => 'told to' }, $how->{headers}) if $how->{http};
    my @place = $how->{place} ? @{ $how->{place} } : __PACKAGE__->where($address // '');
    my $is_nowhere = ($address // '') =~ /Nowhere/;
    if ($is_nominatim) {
        return $self->_send($peer, 400, { error => { code => 400, message => 'unknown parameter' } }) if grep { !/\A(?:q|format|limit)\z/ } keys %asked;
        return $self->_send($peer, 403, { error => 'say who you are' }) if ($headers{'user-agent'} // '') !~ m{\AAshlar \(https?://\S+\)\z};
        return $self->_send($peer, 200, [ $is_nowhere ? () : { place_id => 1, lat => "$place[0]", lon => "$place[1]", display_name => 'there', importance => 0.5 } ]);
    }
    my $status = ($asked{key} // '') ne $KEY ? 'REQUEST_DENIED' : $how->{status} // (!length($address // '') ? 'INVALID_REQUEST' : $is_nowhere ? 'ZERO_RESULTS' : 'OK');
    my @results = $status eq 'OK' ? { formatted_address => 'there', geometry => { location => { lat => 0 + $place[0], lng => 0 + $place[1] }, location_type => 'ROOFTOP' }, place_id => 'x', types => ['street_address'] } : ();
    return $self->_send($peer, 200, { results => \@results, status => $status, $status eq 'REQUEST_DENIED' ? (error_message => 'The provided API key is invalid. ') : () });
}

sub _send ($self, $peer, $status, $body, $headers = undef) {
    my $bytes = ref $body ? $json->encode($body) : $body;
    my $head = join '', map { "$_: $headers->{$_}\r\n" } sort keys %{ $headers // {} };
    syswrite $peer, "HTTP/1.1 $status X\r\nContent-Type: application/json\r\nContent-Length: @{[ length $bytes ]}\r\nConnection: close\r\n$head\r\n$bytes";
    close $peer;
    return;
}

1;
