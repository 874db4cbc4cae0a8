package Ashlar::Assert;

# Assertions about answers.  A failed one shows what was asked and answered.

use v5.36;
use Cpanel::JSON::XS ();
use Exporter 'import';
use List::Util qw(max min);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(changed eventually status_is error_is header_is header_like header_absent json_is json_lacks body_is body_like body_unlike);

my $json = Cpanel::JSON::XS->new->canonical->allow_nonref->allow_blessed->convert_blessed;

# A token with one character of it changed, the last or the one at that place: always another one.
sub changed ($token, $at = -1) {
    substr($token, $at, 1) = substr($token, $at, 1) eq 'A' ? 'B' : 'A';
    return $token;
}

# eventually { … } 5, 'name';   the block becomes true within so many seconds
sub eventually : prototype(&$$) ($block, $seconds, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $start = time;
    my $ok;
    # What takes long is asked for less and less often: to ask costs what the other tests need.
    while (!($ok = $block->()) && (my $waited = time - $start) < $seconds) { sleep min(0.1, max(0.02, $waited / 10)) }
    return ok $ok, $name;
}

# status_is $res, 201, 'name';
sub status_is ($res, $status, $name = "$res->{request}: $status") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return _verdict($res, $res->status == $status, $name, "status is " . $res->status . ", not $status");
}

# What clients of the platform surface compare in "detail"; see surfaces in fcgi/surface.c.
my %LITERAL = (AUTHENTICATION_ERROR => 'Invalid token', RATE_LIMIT_EXCEEDED => 'Rate limit exceeded');

# error_is $res, 409, 'CONFLICT', field => 'name';
#
# The one shape of every error, and what its status must bring along.  The
# pairs are members of details; message => qr/…/ is about the text for people,
# more => { … } names members beside error and detail.
sub error_is ($res, $status, $code, %details) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $name    = delete $details{name} // "$res->{request}: $status $code" . ($details{field} ? " ($details{field})" : '');
    my $message = delete $details{message};
    my $beside  = delete $details{more} // {};
    my $body    = $res->json;
    my @wrong;
    push @wrong, 'status is ' . $res->status . ", not $status" if $res->status != $status;
    if (ref $body ne 'HASH' || ref $body->{error} ne 'HASH') {
        push @wrong, 'the body is not an error';
    }
    else {
        my $error = $body->{error};
        push @wrong, "code is $error->{code}, not $code" if $error->{code} ne $code;
        push @wrong, 'message is missing' if !length($error->{message} // '');
        push @wrong, "message is \"$error->{message}\", which does not match $message"
            if $message && $error->{message} !~ $message;
        my $literal = $res->{request} =~ m{ /api/(?:v\d/)?(?:app|admin|public)/} ? undef : $LITERAL{$code};
        push @wrong, 'detail is not the message' if !grep { ($body->{detail} // '') eq ($_ // '') } $error->{message}, $literal // ();
        push @wrong, 'details is not an object' if ref $error->{details} ne 'HASH';
        push @wrong, map { _difference($error->{details}{$_}, $details{$_}, "details.$_") } sort keys %details;
        push @wrong, map { _difference($body->{$_}, $beside->{$_}, $_) } sort keys %$beside;
        # Where OTLP is taken an error is a google.rpc.Status, too.
        my $also = $res->{request} =~ m{\APOST /(?:api/)?(?:otlp/)?v1/(?:traces|logs)(?:\?|\z)};
        push @wrong, 'it is no google.rpc.Status' if $also && !(($body->{code} // '') =~ /\A\d+\z/ && ($body->{message} // '') eq $error->{message});
        my @more = grep { !/^(error|detail)$/ && !exists $beside->{$_} && !($also && /^(?:code|message)$/) } keys %$body;
        push @wrong, "members nobody asked for: @more" if @more;
        push @wrong, 'details.retry_after is not Retry-After'
            if $status == 429 && ($error->{details}{retry_after} // '') ne ($res->header('Retry-After') // '-');
    }
    if ($status == 429 && (my $limit = $res->header('RateLimit'))) {
        my $wait = $res->header('Retry-After') // -1;
        my $end  = $res->header('X-RateLimit-Reset');
        push @wrong, "RateLimit is $limit, and Retry-After $wait" if $limit !~ /;r=0;t=$wait$/;
        push @wrong, "X-RateLimit-Reset is $end, and Retry-After $wait" if defined $end && ($end > time + $wait + 1 || $end < time + $wait - 20);
    }
    push @wrong, 'Content-Type is ' . ($res->header('Content-Type') // 'missing')
        if ($res->header('Content-Type') // '') !~ m{^application/json\b};
    my $needed = { 401 => 'WWW-Authenticate', 405 => 'Allow', 429 => 'Retry-After', 503 => 'Retry-After' }->{$status};
    push @wrong, "$needed is missing" if $needed && !length($res->header($needed) // '');
    return _verdict($res, !@wrong, $name, @wrong);
}

# header_is $res, 'Allow', 'GET, HEAD';
sub header_is ($res, $header, $value, $name = "$header: $value") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @got = $res->header($header);
    return _verdict($res, "@got" eq $value, $name, "$header is " . (@got ? "'" . join("', '", @got) . "'" : 'missing') . ", not '$value'");
}

sub header_like ($res, $header, $pattern, $name = "$header matches") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @got = $res->header($header);
    return _verdict($res, @got == 1 && $got[0] =~ $pattern, $name,
        "$header is " . (@got ? "'" . join("', '", @got) . "'" : 'missing') . ", which does not match $pattern");
}

sub header_absent ($res, $header, $name = "no $header") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @got = $res->header($header);
    return _verdict($res, !@got, $name, "$header is '@got'");
}

# json_is $res, '/items/0/name', 'alpha';
#
# What the JSON pointer finds is exactly that: all members, types included (1
# is not "1").  Inside the expected value a pattern matches text, and a code
# reference judges what it is given.  The pointer '' is the whole body.
sub json_is ($res, $pointer, $want, $name = "$res->{request}: " . ($pointer || 'the body')) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @wrong = defined $res->json ? _difference(scalar $res->json($pointer), $want, $pointer || 'body') : 'the body is not JSON';
    return _verdict($res, !@wrong, $name, @wrong);
}

# The member that the pointer names is not there.
sub json_lacks ($res, $pointer, $name = "no $pointer") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($parent, $key) = $pointer =~ m{^(.*)/([^/]*)$};
    my $at = $res->json($parent);
    return _verdict($res, ref $at eq 'HASH' && !exists $at->{$key}, $name, "$pointer is there, or $parent is not an object");
}

sub body_is ($res, $body, $name = 'the body') {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return _verdict($res, $res->body eq $body, $name, "the body is not '$body'");
}

sub body_like ($res, $pattern, $name = "the body matches $pattern") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return _verdict($res, $res->body =~ $pattern, $name, "the body does not match $pattern");
}

sub body_unlike ($res, $pattern, $name = "the body lacks $pattern") {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return _verdict($res, $res->body !~ $pattern, $name, "the body matches $pattern");
}

sub _verdict ($res, $ok, $name, @wrong) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok $ok, $name or diag join "\n", @wrong, $res->describe;
    return $ok;
}

# What is different between two values, one line each.
sub _difference ($got, $want, $where) {
    if (ref $want eq 'Regexp') {
        return if defined $got && !ref $got && $got =~ $want;
    }
    elsif (ref $want eq 'CODE') {
        return if $want->($got);
        return "$where is refused: " . $json->encode($got);
    }
    elsif (ref $want eq 'HASH' && ref $got eq 'HASH') {
        my %keys = (%$got, %$want);
        return map {
            my $key = $_;
            !exists $got->{$key} ? "$where/$key is missing"
                : !exists $want->{$key} ? "$where/$key is there: " . $json->encode($got->{$key})
                : _difference($got->{$key}, $want->{$key}, "$where/$key");
        } sort keys %keys;
    }
    elsif (ref $want eq 'ARRAY' && ref $got eq 'ARRAY') {
        return "$where has " . @$got . ' elements, not ' . @$want if @$got != @$want;
        return map { _difference($got->[$_], $want->[$_], "$where/$_") } 0 .. $#$want;
    }
    else {
        return if $json->encode($got) eq $json->encode($want);
    }
    return "$where is " . $json->encode($got) . ', not ' . (ref $want eq 'Regexp' ? "like $want" : $json->encode($want));
}

1;
