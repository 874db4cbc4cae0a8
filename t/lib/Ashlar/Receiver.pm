package Ashlar::Receiver;

# A server that webhooks are sent to, on a free port of loopback: it keeps what
# comes, and answers 200 or what it was told to.  A process per connection, so
# that one that is slow holds up no other.
#
#     my $r = Ashlar::Receiver->start;
#     $r->url('/a');                              # http://127.0.0.1:…/a
#     $r->address;                                # 127.0.0.1:…, for HTTP_ALLOW_PRIVATE
#     $r->answer('/a', status => 503, headers => { 'Retry-After' => 2 });
#     $r->answer('/a', delay => 60);              # or until another answer is set
#     $r->requests('/a');                         # what came, oldest first:
#                                                 # { path, method, headers (names in lower case), body, at }
use v5.36;
use Cpanel::JSON::XS ();
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

my $json = Cpanel::JSON::XS->new->canonical;

sub start ($class) {
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 512) or die "listen: $@\n";
    my $dir    = File::Temp->newdir('/tmp/ashlar-receiver-XXXXXX');
    my $self   = bless { port => $server->sockport, tmp => $dir, dir => "$dir", owner => $$ }, $class;
    $self->{pid} = fork // die "fork: $!\n";
    return $self if $self->{pid};
    setpgrp;
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{TERM} = 'DEFAULT';
    eval {
        while (1) {
            my $peer = $server->accept or next;
            next if fork;
            $self->_serve($peer);
            POSIX::_exit(0);
        }
    };
    return POSIX::_exit(1);
}

sub address ($self)         { return "127.0.0.1:$self->{port}" }
sub url ($self, $path = '') { return 'http://' . $self->address . $path }

# How requests to a path are answered from now on, and those that wait.
sub answer ($self, $path, %how) {
    my $file = $self->_file($path);
    open my $out, '>', "$file.new" or die "$file: $!\n";
    print {$out} $json->encode(\%how);
    close $out or die "$file: $!\n";
    rename "$file.new", $file or die "$file: $!\n";
    return;
}

sub requests ($self, $path) {
    my @all;
    if (open my $in, '<', "$self->{dir}/seen") {
        @all = map { $json->decode($_) } grep { /\n\z/ } <$in>;    # the last one may just be written
    }
    return grep { $_->{path} eq $path } @all;
}

sub _file ($self, $path) { return "$self->{dir}/answer" . $path =~ tr{/}{_}r }

sub _how ($self, $path) {
    open my $in, '<', $self->_file($path) or return {};
    local $/ = undef;
    return $json->decode(<$in>);
}

sub _serve ($self, $peer) {
    my $in = '';
    until ($in =~ /\r\n\r\n/ && length $in >= index($in, "\r\n\r\n") + 4 + ($in =~ /^Content-Length:\s*(\d+)/mi ? $1 : 0)) {
        sysread $peer, $in, 65536, length $in or return;
    }
    my ($head, $body) = split /\r\n\r\n/, $in, 2;
    my ($first, @lines) = split /\r\n/, $head;
    my ($method, $path) = split / /, $first;
    my $seen = $json->encode({ path => $path, method => $method, body => $body, at => time,
        headers => { map { my ($name, $value) = split /:\s*/, $_, 2; (lc $name => $value) } @lines } });
    open my $out, '>>', "$self->{dir}/seen" or return;
    syswrite $out, "$seen\n";
    close $out;
    my ($how, $until) = ($self->_how($path), time);
    $until += $how->{delay} // 0;
    while (time < $until) {
        sleep 0.02;
        $how = $self->_how($path);
        last if !$how->{delay};
    }
    my $text = $how->{body} // 'thanks';
    my %all = ('Content-Length' => length $text, Connection => 'close', %{ $how->{headers} // {} });
    syswrite $peer, join "\r\n", "HTTP/1.1 @{[ $how->{status} // 200 ]} Stub", (map { "$_: $all{$_}" } sort keys %all), '', $text;
    return;
}

sub DESTROY ($self) {
    return if $$ != $self->{owner};
    local $?;    # not "= $?", which is 0 then: a test that dies would exit with that
    kill 'KILL', -$self->{pid}, $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

1;
