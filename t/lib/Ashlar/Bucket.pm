package Ashlar::Bucket;

# A server of one bucket, as Amazon's documentation of S3 has it, on a free port of loopback.  It believes nothing but
# signatures in the query string (AWS Signature Version 4), which it computes by itself, compares the checksums that it is sent, and
# fails as it is told.  A process per connection; objects are files.
#
#     my $bucket = Ashlar::Bucket->start(page => 2);     # how many keys, parts and uploads it lists at once
#     Api->start($bucket->settings);
#     $bucket->keys('objects/');  $bucket->content($key);  $bucket->put($key, $bytes);  $bucket->uploads;
#     $bucket->fails(status => 500, method => 'PUT', on => qr/^objects/);   # or hangs => 1, or cut => 10: after so many bytes
#     $bucket->fails;                                                       # never
#     $bucket->down;  $bucket->up;                       # nobody listens meanwhile
#     $bucket->requests;                                 # "PUT incoming/…", those that were answered with 2xx
use v5.36;
use Ashlar::Client;
use Ashlar::Http;
use Cpanel::JSON::XS ();
use Digest::MD5 ();
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256_hex);
use Encode ();
use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Time::HiRes qw(sleep time);
use Time::Local 'timegm';

my $json = Cpanel::JSON::XS->new->canonical;
my ($KEY, $SECRET, $REGION, $BUCKET) = ('AKIDASHLAR', 'stub/secret+of-the-bucket', 'eu-test-1', 'files-of-ashlar');

sub start ($class, %arg) {
    my $dir  = File::Temp->newdir('/tmp/ashlar-bucket-XXXXXX');
    my $self = bless { tmp => $dir, dir => "$dir", owner => $$, page => $arg{page} // 1000, port => 0 }, $class;
    make_path "$dir/objects", "$dir/uploads";
    $self->up;
    return $self;
}

sub up ($self) {
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 512, ReuseAddr => 1) or die "listen: $@\n";
    $self->{port} = $server->sockport;
    $self->{pid} = fork // die "fork: $!\n";
    return if $self->{pid};
    setpgrp;
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{TERM} = 'DEFAULT';
    local $SIG{PIPE} = 'IGNORE';
    eval {
        while (1) {
            my $peer = $server->accept or next;
            next if fork;
            eval { $self->_serve($peer); 1 } or warn "bucket: $@";
            POSIX::_exit(0);
        }
    };
    return POSIX::_exit(1);
}

sub down ($self) {
    my $pid = delete $self->{pid} or return;
    kill TERM => -$pid, $pid;
    waitpid $pid, 0;
    return;
}

sub DESTROY ($self) {
    local ($?, $@);
    $self->down if $self->{owner} == $$;
    return;
}

sub origin ($self) { return "http://127.0.0.1:$self->{port}" }
sub secret ($self) { return $SECRET }

# Who has a signed address, and nothing else.
sub client ($self) { return $self->{client} //= Ashlar::Client->new(http => Ashlar::Http->new(port => $self->{port}), headers => { Host => "127.0.0.1:$self->{port}" }) }

# Its clock is so many seconds late, or rather, ours are early.
sub clock ($self, $s) { return _spew("$self->{dir}/clock", $s) }

sub settings ($self, %more) {
    return (S3_BUCKET => $BUCKET, S3_ENDPOINT => $self->origin, S3_REGION => $REGION, S3_ACCESS_KEY_ID => $KEY, S3_SECRET_ACCESS_KEY => $SECRET, %more);
}

# ------------------------------------------------------------------ what it has

sub _file ($self, $key) { return "$self->{dir}/objects/" . $key =~ s{([^\w.-])}{sprintf '%%%02X', ord $1}ger }

sub keys ($self, $prefix = '') {    ## no critic (ProhibitBuiltinHomonyms)
    my @all = map { s{.*/}{}r =~ s{%([0-9A-F]{2})}{chr hex $1}ger } grep { !/\.meta\z/ } glob "$self->{dir}/objects/*";
    @all = sort grep { index($_, $prefix) == 0 } @all;
    return @all;
}

sub uploads ($self) { return map { s{.*/}{}r } glob "$self->{dir}/uploads/*" }

sub content ($self, $key) { return _slurp($self->_file($key)) }

# As somebody else would, who has the bucket's console.
sub put ($self, $key, $bytes) {
    _spew($self->_file($key), $bytes);
    return _spew($self->_file($key) . '.meta', $json->encode({ etag => Digest::MD5::md5_hex($bytes), type => 'text/plain', at => time }));
}

sub remove ($self, $key) { return unlink $self->_file($key), $self->_file($key) . '.meta' }

sub fails ($self, %how) {
    $how{on} = "$how{on}" if $how{on};
    return _spew("$self->{dir}/fails", $json->encode(\%how));
}

sub requests ($self) { return split /\n/, _slurp("$self->{dir}/seen") // '' }

sub _slurp ($file) {
    open my $in, '<:raw', $file or return;
    local $/ = undef;
    return scalar <$in>;
}

sub _spew ($file, $bytes) {
    open my $out, '>:raw', "$file.$$.new" or die "$file: $!\n";
    print {$out} $bytes;
    close $out or die "$file: $!\n";
    rename "$file.$$.new", $file or die "$file: $!\n";
    return 1;
}

# ------------------------------------------------------------------ one connection

sub _serve ($self, $peer) {
    my $in = '';
    while (1) {
        until ($in =~ /\r\n\r\n/) { sysread $peer, $in, 65536, length $in or return }
        my ($head, $rest) = split /\r\n\r\n/, $in, 2;
        my ($first, @lines) = split /\r\n/, $head;
        my ($method, $target) = split / /, $first;
        my %header;
        for (@lines) { my ($name, $value) = /^([^:]+):\s*(.*?)\s*\z/ or next; $header{ lc $name } = $value }
        my $r = { peer => $peer, method => $method, target => $target, header => \%header, rest => $rest, left => ($header{'content-length'} // 0) - length $rest };
        $self->_receive($r) or return;
        my @answer = $self->_answer($r);
        unlink $r->{file};
        $self->_send($r, @answer) or return;
        $in = '';
    }
    return;
}

# The body goes to a file; its checksums are computed on the way.
sub _receive ($self, $r) {
    $r->{file} = "$self->{dir}/body.$$";
    open my $out, '>:raw', $r->{file} or die "body: $!\n";
    my ($md5, $sha, $n) = (Digest::MD5->new, Digest::SHA->new(256), 0);
    my $piece = $r->{rest};
    while (1) {
        if (length $piece) { print {$out} $piece; $md5->add($piece); $sha->add($piece); $n += length $piece }
        last if $r->{left} <= 0;
        sysread $r->{peer}, $piece, $r->{left} < 1 << 20 ? $r->{left} : 1 << 20 or return;
        $r->{left} -= length $piece;
    }
    close $out or die "body: $!\n";
    @$r{qw(md5 sha256 size)} = ($md5->hexdigest, $sha->digest, $n);
    return 1;
}

sub _send ($self, $r, $status, $headers = {}, $body = '') {
    my $length = $headers->{'Content-Length'} // length $body;
    my $head   = "HTTP/1.1 $status S3\r\n" . join '', map { "$_: $headers->{$_}\r\n" } sort grep { $_ ne "Content-Length" } CORE::keys %$headers;
    $head .= "Content-Length: $length\r\n" if $status != 204;
    $body = '' if $r->{method} eq 'HEAD';
    my $fails = $self->_fails($r);
    my $all   = "$head\r\n$body";
    if ($fails->{cut}) { syswrite $r->{peer}, substr "$head\r\n" . substr($body, 0, $fails->{cut}), 0; return }
    while (length $all) { my $n = syswrite $r->{peer}, $all or return; substr $all, 0, $n, '' }
    if ($status < 300) {
        open my $seen, '>>', "$self->{dir}/seen" or return;
        syswrite $seen, "$r->{method} " . ($r->{key} // '') . "\n";
        close $seen;
    }
    return 1;
}

sub _fails ($self, $r) {
    my $how = $json->decode(_slurp("$self->{dir}/fails") // '{}');
    return {} if !%$how || ($how->{method} && $how->{method} ne $r->{method}) || ($how->{on} && ($r->{key} // '') !~ $how->{on});
    return $how;
}

sub _error ($status, $code) { return ($status, { 'Content-Type' => 'application/xml' }, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>$code</Code><Message>of the stub</Message></Error>") }

sub _xml ($text) { return $text =~ s/([&<>"])/'&#' . ord($1) . ';'/ger }

sub _decoded ($text) { return $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger }

sub _encoded ($text, $but = '') { return $text =~ s/([^A-Za-z0-9._~\-$but])/sprintf '%%%02X', ord $1/ger }

# NULL, or what is wrong with who asks.
sub _refusal ($self, $r) {
    my %query = %{ $r->{query} };
    my %header = %{ $r->{header} };
    return [ 403, 'AccessDenied' ] if !defined $query{'X-Amz-Signature'} || $header{authorization};
    my ($id, $day, $region, $service, $end) = split m{/}, $query{'X-Amz-Credential'} // '';
    return [ 403, 'InvalidAccessKeyId' ] if $id ne $KEY;
    return [ 400, 'AuthorizationQueryParametersError' ] if "$query{'X-Amz-Algorithm'} $region $service $end" ne "AWS4-HMAC-SHA256 $REGION s3 aws4_request";
    my @at = $query{'X-Amz-Date'} =~ /\A(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\z/ or return [ 400, 'AuthorizationQueryParametersError' ];
    return [ 400, 'AuthorizationQueryParametersError' ] if $query{'X-Amz-Expires'} !~ /\A[1-9][0-9]*\z/ || $query{'X-Amz-Expires'} > 604800 || $day ne join '', @at[ 0 .. 2 ];
    return [ 403, 'AccessDenied' ] if timegm(@at[ 5, 4, 3, 2 ], $at[1] - 1, $at[0]) + $query{'X-Amz-Expires'} < time + (_slurp("$self->{dir}/clock") || 0);
    my @signed = split /;/, $query{'X-Amz-SignedHeaders'};
    return [ 403, 'AccessDenied' ] if !grep { $_ eq 'host' } @signed;
    for my $name (grep { /^x-amz-/ } CORE::keys %header) { return [ 403, 'AccessDenied' ] if !grep { $_ eq $name } @signed }
    my $canonical = join "\n", $r->{method}, $r->{path},
        (join '&', map { _encoded($_) . '=' . _encoded($query{$_}) } sort grep { $_ ne 'X-Amz-Signature' } CORE::keys %query),
        (map { "$_:" . ($header{$_} // '') =~ s/ +/ /gr } @signed), '', (join ';', @signed), 'UNSIGNED-PAYLOAD';
    my $text = join "\n", 'AWS4-HMAC-SHA256', $query{'X-Amz-Date'}, "$day/$region/s3/aws4_request", sha256_hex($canonical);
    my $key  = "AWS4$SECRET";
    $key = hmac_sha256($_, $key) for $day, $region, 's3', 'aws4_request';
    return [ 403, 'SignatureDoesNotMatch' ] if hmac_sha256_hex($text, $key) ne $query{'X-Amz-Signature'};
    my $sum = $header{'x-amz-checksum-sha256'};
    return [ 400, 'BadDigest' ] if defined $sum && $sum ne encode_base64($r->{sha256}, '');
    return;
}

sub _answer ($self, $r) {
    my ($path, $query) = split /[?]/, $r->{target}, 2;
    my (undef, $bucket, $key) = split m{/}, _decoded($path), 3;
    @$r{qw(path key query)} = ($path, $key, {});
    for (split /&/, $query // '') { my ($name, $value) = split /=/, $_, 2; $r->{query}{ _decoded($name) } = _decoded($value // '') }
    my $fails = $self->_fails($r);
    if ($fails->{hangs}) { sleep 0.1 while $self->_fails($r)->{hangs} && !_gone($r->{peer}) }
    return _error($fails->{status}, $fails->{code} // 'InternalError') if $fails->{status};
    my $refused = $self->_refusal($r);
    return _error(@$refused) if $refused;
    return _error(404, 'NoSuchBucket') if $bucket ne $BUCKET;
    return $r->{method} eq 'GET' ? exists $r->{query}{uploads} ? $self->_list_uploads($r) : $self->_list($r) : _error(405, 'MethodNotAllowed') if !length($key // '');
    return $self->_parts($r) if defined $r->{query}{uploadId} || defined $r->{query}{uploads};
    return $self->can("_do_$r->{method}") ? $self->can("_do_$r->{method}")->($self, $r) : _error(405, 'MethodNotAllowed');
}

sub _gone ($peer) {
    my $bits = '';
    vec($bits, fileno $peer, 1) = 1;
    return select($bits, undef, undef, 0) && !sysread $peer, my $byte, 1;
}

sub _meta ($self, $key) {
    my $text = _slurp($self->_file($key) . '.meta') or return;
    return $json->decode($text);
}

sub _keep ($self, $key, $file, %meta) {
    rename $file, $self->_file($key) or die "rename: $!\n";
    return _spew($self->_file($key) . '.meta', $json->encode({ at => time, %meta }));
}

sub _do_PUT ($self, $r) {
    my $from = $r->{header}{'x-amz-copy-source'};
    if (defined $from) {
        $from = _decoded($from) =~ s{^/?\Q$BUCKET\E/}{}r;
        my $meta = $self->_meta($from) or return _error(404, 'NoSuchKey');
        my $etag = $r->{header}{'x-amz-copy-source-if-match'};
        return _error(412, 'PreconditionFailed') if defined $etag && $etag ne "\"$meta->{etag}\"";
        link $self->_file($from), "$self->{dir}/copy.$$" or return _error(404, 'NoSuchKey');
        $self->_keep($r->{key}, "$self->{dir}/copy.$$", %$meta, at => time);
        return (200, { 'Content-Type' => 'application/xml' }, "<CopyObjectResult><ETag>&quot;$meta->{etag}&quot;</ETag></CopyObjectResult>");
    }
    $self->_keep($r->{key}, $r->{file}, etag => $r->{md5}, type => $r->{header}{'content-type'}, sha256 => $r->{header}{'x-amz-checksum-sha256'});
    return (200, { ETag => "\"$r->{md5}\"" });
}

sub _do_GET ($self, $r) {
    my $meta = $self->_meta($r->{key}) or return _error(404, 'NoSuchKey');
    my $body = _slurp($self->_file($r->{key})) // '';
    my $size = length $body;
    return _error(412, 'PreconditionFailed') if defined $r->{header}{'if-match'} && $r->{header}{'if-match'} ne "\"$meta->{etag}\"";
    my %headers = (ETag => "\"$meta->{etag}\"", 'Content-Type' => $meta->{type}, 'Accept-Ranges' => 'bytes');
    $headers{'x-amz-checksum-sha256'} = $meta->{sha256} if $meta->{sha256} && ($r->{header}{'x-amz-checksum-mode'} // '') eq 'ENABLED';
    my %override = ('response-content-type' => 'Content-Type', 'response-content-disposition' => 'Content-Disposition', 'response-cache-control' => 'Cache-Control');
    for (CORE::keys %override) { $headers{ $override{$_} } = $r->{query}{$_} if defined $r->{query}{$_} }
    if (($r->{header}{range} // '') =~ /\Abytes=(\d*)-(\d*)\z/) {
        my ($from, $to) = length $1 ? ($1, length $2 && $2 < $size ? $2 : $size - 1) : ($size - $2, $size - 1);
        return _error(416, 'InvalidRange') if $from >= $size;
        return (206, { %headers, 'Content-Range' => "bytes $from-$to/$size" }, substr $body, $from, $to - $from + 1);
    }
    return (200, { %headers, 'Content-Length' => $size }, $body);
}

sub _do_HEAD ($self, $r) {
    my ($status, $headers, $body) = $self->_do_GET($r);
    return ($status, { %$headers, 'Content-Length' => length $body });
}

sub _do_DELETE ($self, $r) { $self->remove($r->{key}); return (204) }

sub _time ($at) { return POSIX::strftime('%Y-%m-%dT%H:%M:%S.000Z', gmtime $at) }

sub _list ($self, $r) {
    my %query = %{ $r->{query} };
    my @all   = grep { !defined $query{'start-after'} || $_ gt $query{'start-after'} } $self->keys($query{prefix} // '');
    my $most  = $self->{page} < ($query{'max-keys'} // 1000) ? $self->{page} : $query{'max-keys'} // 1000;
    my @page  = splice @all, 0, $most;
    my $body  = join '', '<ListBucketResult>', (map { my $meta = $self->_meta($_) // { at => time }; '<Contents><Key>' . _xml($_) . '</Key><LastModified>' . _time($meta->{at}) . '</LastModified></Contents>' } @page),
        '<IsTruncated>', @all ? 'true' : 'false', '</IsTruncated></ListBucketResult>';
    return (200, { 'Content-Type' => 'application/xml' }, $body);
}

sub _list_uploads ($self, $r) {
    my %query = %{ $r->{query} };
    my @all   = sort map { my $meta = $json->decode(_slurp("$self->{dir}/uploads/$_/meta")); [ $meta->{key}, $_, $meta->{at} ] } $self->uploads;
    @all = sort { $a->[0] cmp $b->[0] || $a->[1] cmp $b->[1] } grep { index($_->[0], $query{prefix} // '') == 0 } @all;
    @all = grep { "$_->[0] $_->[1]" gt "$query{'key-marker'} $query{'upload-id-marker'}" } @all if length($query{'key-marker'} // '');
    my @page = splice @all, 0, $self->{page};
    my $body = join '', '<ListMultipartUploadsResult>', (map { '<Upload><Key>' . _xml($_->[0]) . "</Key><UploadId>$_->[1]</UploadId><Initiated>" . _time($_->[2]) . '</Initiated></Upload>' } @page),
        (@all ? "<NextKeyMarker>$page[-1][0]</NextKeyMarker><NextUploadIdMarker>$page[-1][1]</NextUploadIdMarker>" : ()), '<IsTruncated>', @all ? 'true' : 'false', '</IsTruncated></ListMultipartUploadsResult>';
    return (200, { 'Content-Type' => 'application/xml' }, $body);
}

sub _parts ($self, $r) {
    my ($method, %query) = ($r->{method}, %{ $r->{query} });
    if (exists $query{uploads}) {
        my $id = unpack 'H*', Digest::MD5::md5("$$ " . time . rand);
        make_path "$self->{dir}/uploads/$id";
        _spew("$self->{dir}/uploads/$id/meta", $json->encode({ key => $r->{key}, type => $r->{header}{'content-type'}, at => time }));
        return (200, {}, "<InitiateMultipartUploadResult><UploadId>$id</UploadId></InitiateMultipartUploadResult>");
    }
    my $dir  = "$self->{dir}/uploads/" . $query{uploadId} =~ s{\W}{}gr;
    my $meta = $json->decode(_slurp("$dir/meta") // '{"key":""}');
    return _error(404, 'NoSuchUpload') if $meta->{key} ne $r->{key};
    if ($method eq 'PUT') {
        rename $r->{file}, "$dir/" . sprintf '%05d', $query{partNumber} or die "rename: $!\n";
        _spew("$dir/$query{partNumber}.etag", $r->{md5});
        return (200, { ETag => "\"$r->{md5}\"" });
    }
    if ($method eq 'DELETE') { remove_tree($dir); return (204) }
    my @parts = map { m{/0*(\d+)\z} ? [ $1, $_, -s $_, _slurp("$dir/$1.etag") // '' ] : () } sort glob "$dir/[0-9][0-9][0-9][0-9][0-9]";
    if ($method eq 'GET') {
        @parts = grep { $_->[0] > ($query{'part-number-marker'} || 0) } @parts;
        my @page = splice @parts, 0, $self->{page};
        return (200, {}, join '', '<ListPartsResult>', (map { "<Part><PartNumber>$_->[0]</PartNumber><ETag>&quot;$_->[3]&quot;</ETag><Size>$_->[2]</Size></Part>" } @page), '<IsTruncated>', @parts ? 'true' : 'false', '</IsTruncated></ListPartsResult>');
    }
    my @wanted = _slurp($r->{file}) =~ m{<PartNumber>(\d+)</PartNumber><ETag>(?:"|&quot;)([0-9a-f]+)}g;
    open my $out, '>:raw', "$dir/whole" or die "whole: $!\n";
    for (my $i = 0; $i < @wanted; $i += 2) {
        my ($part) = grep { $_->[0] == $wanted[$i] && $_->[3] eq $wanted[ $i + 1 ] } @parts;
        return _error(400, 'InvalidPart')    if !$part;
        return _error(400, 'EntityTooSmall') if $i + 2 < @wanted && $part->[2] < 5 << 20;
        print {$out} _slurp($part->[1]);
    }
    close $out or die "whole: $!\n";
    my $etag = sprintf '%s-%d', Digest::MD5::md5_hex(join ' ', @wanted), @wanted / 2;
    $self->_keep($r->{key}, "$dir/whole", etag => $etag, type => $meta->{type});
    remove_tree($dir);
    return (200, {}, "<CompleteMultipartUploadResult><ETag>&quot;$etag&quot;</ETag></CompleteMultipartUploadResult>");
}

1;
