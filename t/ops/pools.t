# Which pool answers what, and how far one caller or tenant can fill it.
use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS ();

my $t    = Api->start(realtime => 1);
my $json = Cpanel::JSON::XS->new;

# ------------------------------------------------------------------ who answers

my @routes = grep { !$_->{static} || $_->{pool} eq 'realtime' } map { $json->decode($_) } split /\n/, `build/ashlar routes`;

# A path of a row's: its parameters filled in, of each version.
sub paths_of ($route) {
    my %param = map { $_->{name} => $_ } @{ $route->{params} };
    my $path  = $route->{path} =~ s[\{(\w+)\}][
        my $type = $param{$1}{type};
        $type eq 'uuid' ? '019348a0-7f3e-7c1d-9a50-3d1f6a2b4c5d' : $type eq 'integer' ? 7 : $param{$1}{values} ? $param{$1}{values}[0] : 'some'
    ]gre;
    return $path if $route->{versions} < 2 || $path !~ m{^/api/v1/};
    return ($path, $path =~ s{/v1}{}r, map { $path =~ s{/v1}{/v$_}r } 2 .. $route->{versions});
}

# The router's rules: HEAD is GET, and where there is one of PUT and PATCH it is both.
sub pool_of ($methods, $method) {
    my %twin = (PUT => 'PATCH', PATCH => 'PUT', HEAD => 'GET');
    return $methods->{$method} // $methods->{ $twin{$method} // '' } // 'main';
}

subtest 'a row\'s own methods and paths go to its pool, and nothing else does' => sub {
    my (%methods, %want, %got);
    $methods{ $_->{path} }{ $_->{method} } = $_->{pool} for @routes;
    my $ask = sub ($method, $path, $pool) {
        my $id = 'pools-' . keys %want;
        $want{$id} = "$method $path: $pool";
        $t->request($method, $path, headers => { 'X-Request-ID' => $id });
        return;
    };
    for my $route (@routes) {
        my $methods = $methods{ $route->{path} };
        my $apart   = grep { $_ ne 'main' } values %$methods;
        my @paths   = paths_of($route);
        $ask->($route->{method}, $paths[0], $route->{pool}) if !$apart || $route->{pool} eq 'main';
        next if $route->{pool} eq 'main';
        for my $path (@paths) {
            $ask->($_, $path, pool_of($methods, $_)) for qw(GET HEAD POST PUT PATCH DELETE OPTIONS);
            $ask->($route->{method}, $_, $route->{pool}) for "$path/", "$path?a=/b", "$path/?a", $path =~ s{^/api}{}r;
            $ask->($route->{method}, $_, 'main') for "$path/beyond", "${path}x", $path =~ s{/api/}{/api//}r, $path =~ s{([a-z])/}{sprintf '%%%02x/', ord $1}er;
        }
    }
    # The line is written after the answer; realtime writes none of those that it refuses.
    eventually {
        for my $line ($t->log) {
            my $id = $line->{request_id} // next;
            $got{$id} = $line->{process} =~ s/^api-//r if $want{$id} && defined $line->{status};
        }
        !grep { !$got{$_} && $want{$_} !~ /: realtime$/ } keys %want
    } 10, 'each request has a line in a log';
    my @wrong = map { "$want{$_}, not " . ($got{$_} // 'nobody') } grep { (split /: /, $want{$_})[1] ne ($got{$_} // 'realtime') } sort keys %want;
    is_deeply \@wrong, [], keys(%want) . ' requests';
};
