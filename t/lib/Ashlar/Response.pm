package Ashlar::Response;

# An answer: status, headers, body.  Status 0 is none at all; error says why.

use v5.36;
use Cpanel::JSON::XS ();

# It refuses duplicate keys and bytes that are not UTF-8, so what it reads is sound.
my $json = Cpanel::JSON::XS->new->utf8->allow_nonref;

sub new ($class, %arg) {
    return bless { headers => [], body => '', error => '', request => '', %arg }, $class;
}

sub status  ($self) { return $self->{status} }
sub body    ($self) { return $self->{body} }
sub error   ($self) { return $self->{error} }
sub seconds ($self) { return $self->{seconds} }

# A header's values in their order; in scalar context the first.
sub header ($self, $name) {
    my $values = ($self->{index} //= $self->_index)->{ lc $name } // [];
    return wantarray ? @$values : $values->[0];
}

sub _index ($self) {
    my @list = @{ $self->{headers} };
    my %index;
    while (my ($name, $value) = splice @list, 0, 2) { push @{ $index{ lc $name } }, $value }
    return \%index;
}

sub header_names ($self) {
    my @list = @{ $self->{headers} };
    return @list[ grep { $_ % 2 == 0 } 0 .. $#list ];
}

# The body as JSON, or what a JSON pointer (RFC 6901) finds in it; undef when there is none.
sub json ($self, $pointer = '') {
    my $at = eval { $json->decode($self->{body}) };
    my (undef, @steps) = split m{/}, $pointer, -1;
    for my $step (@steps) {
        my $key = $step =~ s{~1}{/}gr =~ s/~0/~/gr;
        if    (ref $at eq 'HASH')                      { $at = $at->{$key} }
        elsif (ref $at eq 'ARRAY' && $key =~ /^-?\d+$/) { $at = $at->[$key] }
        else                                           { return }
    }
    return $at;
}

# What went over the wire, shortened, for the diagnosis of a failed test.
sub describe ($self) {
    my $body = length $self->{body} > 1000 ? substr($self->{body}, 0, 1000) . '…' : $self->{body};
    return "$self->{request}: " . ($self->{status} || "no answer ($self->{error})") . "\n$body";
}

1;
