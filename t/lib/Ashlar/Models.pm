package Ashlar::Models;

# A server of language models, on a free port of loopback: it speaks OpenAI's Chat Completions (/openai, and /pplx as
# Perplexity does) and Anthropic's Messages (/anthropic), refuses what those would not take, and answers
# as it was told.  A process per connection.
#
#     my $models = Ashlar::Models->start;
#     Api->start($models->settings);
#     $models->answer(anthropic => { text => ['Hel', 'lo'], chunk => 1 });     # in pieces, the bytes one by one
#     $models->answer(openai => { status => 529 }, { text => ['Hi'] });        # first the one, then the other
#     $models->requests('openai');                                            # what came: { body, headers, gone }
#
# How it answers:
#   text       the pieces; by default some, with characters of several bytes
#   calls      [{ id, name, arguments => [pieces] }]
#   finish     stop, length, tool_calls or content_filter
#   usage      [input, output, cached]; undef: it says none
#   chunk      so many bytes at a time
#   delay      seconds before the first byte, piece_delay before each piece; they end when the other side goes away
#   cut        after so many pieces the connection breaks
#   error      after so many pieces an error in the stream (overloaded)
#   pings      what says nothing stands between the pieces
#   status, body, headers   a refusal
use v5.36;
use Cpanel::JSON::XS ();
use Fcntl 'LOCK_EX';
use File::Temp ();
use IO::Select;
use MIME::Base64 'encode_base64';
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

my $json = Cpanel::JSON::XS->new->canonical->utf8;
my %KEY  = (openai => 'sk-openai-stub', anthropic => 'sk-ant-stub', pplx => 'pplx-stub');

# keys: what it takes instead of the usual ones, by provider.
sub start ($class, %arg) {
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 512) or die "listen: $@\n";
    my $dir    = File::Temp->newdir('/tmp/ashlar-models-XXXXXX');
    my $self   = bless { port => $server->sockport, tmp => $dir, dir => "$dir", owner => $$ }, $class;
    $self->{pid} = fork // die "fork: $!\n";
    return $self if $self->{pid};
    setpgrp;
    %KEY = (%KEY, %{ $arg{keys} // {} });
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{TERM} = 'DEFAULT';
    local $SIG{PIPE} = 'IGNORE';
    eval {
        while (1) {
            my $peer = $server->accept or next;
            next if fork;
            eval { $self->_serve($peer); 1 } or $self->_note({ died => "$@" });
            POSIX::_exit(0);
        }
    };
    return POSIX::_exit(1);
}

# The settings that lead an api here; which => [...] names the providers that have a key.
sub settings ($self, %arg) {
    my $base = "http://127.0.0.1:$self->{port}";
    my %has  = map { $_ => 1 } @{ $arg{which} // [qw(openai anthropic pplx)] };
    return (
        OPENAI_API_URL => "$base/openai", ANTHROPIC_API_URL => "$base/anthropic", PERPLEXITY_API_URL => "$base/pplx", RATE_LIMIT_AI => 0,
        $has{openai} ? (OPENAI_API_KEY => $KEY{openai}) : (), $has{anthropic} ? (ANTHROPIC_API_KEY => $KEY{anthropic}) : (),
        $has{pplx} ? (PERPLEXITY_API_KEY => $KEY{pplx}) : (),
    );
}

sub address ($self) { return "127.0.0.1:$self->{port}" }

sub secrets ($self) { return values %KEY }

# How a provider answers from now on: in turn, the last one for ever.  What came before is forgotten.
sub answer ($self, $provider, @how) {
    my $file = "$self->{dir}/$provider";
    open my $out, '>', "$file.new" or die "$file: $!\n";
    print {$out} $json->encode(\@how);
    close $out or die "$file: $!\n";
    unlink "$self->{dir}/turns.$provider", "$self->{dir}/seen";
    rename "$file.new", $file or die "$file: $!\n";
    return;
}

# What came to one, oldest first.
sub requests ($self, $provider) {
    my (@all, %of);
    if (open my $in, '<', "$self->{dir}/seen") {
        for my $seen (map { $json->decode($_) } grep { /\n\z/ } <$in>) {
            die "the stub died: $seen->{died}" if $seen->{died};
            if   ($seen->{gone}) { $of{ $seen->{gone} }{gone} = 1 if $of{ $seen->{gone} } }
            else                 { push @all, $of{ $seen->{id} } = $seen }
        }
    }
    return grep { $_->{provider} eq $provider } @all;
}

sub _note ($self, $what) {
    open my $out, '>>', "$self->{dir}/seen" or return;
    syswrite $out, $json->encode($what) . "\n";
    close $out;
    return;
}

sub _how ($self, $provider) {
    open my $in, '<', "$self->{dir}/$provider" or return {};
    local $/ = undef;
    my $all = $json->decode(<$in>);
    open my $turns, '+>>', "$self->{dir}/turns.$provider" or die "$!\n";
    flock $turns, LOCK_EX;
    my $n = -s $turns;
    syswrite $turns, '.';
    return $all->[ $n > $#$all ? -1 : $n ] // {};
}

# ------------------------------------------------------------------ one request

sub _serve ($self, $peer) {
    my $in = '';
    my $whole;
    until (defined $whole && length $in >= $whole) {
        sysread $peer, $in, 1 << 20, length $in or return;
        # Once: a match copies all of it, and there are megabytes.
        $whole = index($in, "\r\n\r\n") + 4 + ($in =~ /^Content-Length:\s*(\d+)/mi ? $1 : 0) if !defined $whole && $in =~ /\r\n\r\n/;
    }
    my ($head,  $body)  = split /\r\n\r\n/, $in, 2;
    my ($first, @lines) = split /\r\n/, $head;
    my ($method, $path) = split / /, $first;
    my %headers = map { my ($name, $value) = split /:\s*/, $_, 2; (lc $name => $value) } @lines;
    my ($provider, $what) = $path =~ m{\A/(\w+)(/.*)\z};
    my $asked = eval { $json->decode($body) };
    $self->{id} = "$$-" . time;
    $self->{peer} = $peer;
    $self->_note({ id => $self->{id}, provider => $provider, path => $path, headers => \%headers, body => $asked });
    my $wrong = _wrong($provider, $method, $what, \%headers, $asked);
    return $self->_whole(@$wrong) if $wrong;
    my $how = $self->_how($provider);
    $self->_wait($how->{delay}) if $how->{delay};
    return $self->_whole($how->{status}, $how->{body} // _error($provider, $how->{status}), $how->{headers}) if $how->{status};
    return $self->_whole(200, _embeddings($asked)) if $what eq '/embeddings';
    my $write = $provider eq 'anthropic' ? \&_anthropic : \&_openai;
    return $self->$write($provider, $asked, $how);
}

sub _error ($provider, $status, $message = 'told to', $code = undef) {
    my %type = (401 => 'authentication_error', 429 => 'rate_limit_error', 529 => 'overloaded_error', 400 => 'invalid_request_error');
    my $type = $type{$status} // 'api_error';
    return { type => 'error', error => { type => $type, message => $message }, request_id => 'req_stub' } if $provider eq 'anthropic';
    return { error => { message => $message, type => $type, param => undef, code => $code } };
}

# What the provider would not take: [status, body].
sub _wrong ($provider, $method, $what, $headers, $asked) {
    my $bad = sub ($status, $message, $code = undef) { return [ $status, _error($provider, $status, $message, $code) ] };
    return $bad->(404, "no such path: $method $what") if $method ne 'POST' || $what ne ($provider eq 'anthropic' ? '/v1/messages' : '/chat/completions') && $what ne '/embeddings';
    my $key = $provider eq 'anthropic' ? $headers->{'x-api-key'} // '' : ($headers->{authorization} // '') =~ s/\ABearer //r;
    return $bad->(401, 'Incorrect API key provided', 'invalid_api_key') if $key ne $KEY{$provider};
    return $bad->(400, 'anthropic-version: header is required')         if $provider eq 'anthropic' && ($headers->{'anthropic-version'} // '') ne '2023-06-01';
    return $bad->(400, 'the body is no object')                         if ref $asked ne 'HASH';
    return if $what eq '/embeddings';
    my %known = map { $_ => 1 } qw(model messages max_tokens temperature top_p stream tools tool_choice),
        $provider eq 'anthropic' ? qw(system stop_sequences) : qw(max_completion_tokens stop response_format), $provider eq 'openai' ? 'stream_options' : ();
    for my $name (sort keys %$asked) { return $bad->(400, "$name: Extra inputs are not permitted") if !$known{$name} }
    return $bad->(400, 'model: Field required')    if !length($asked->{model} // '');
    return $bad->(400, 'messages: at least one message is required') if ref $asked->{messages} ne 'ARRAY' || !@{ $asked->{messages} };
    return $bad->(400, 'max_tokens: Field required') if $provider eq 'anthropic' && !$asked->{max_tokens};
    return $bad->(400, 'temperature: range: 0..1')   if $provider eq 'anthropic' && ($asked->{temperature} // 0) > 1;
    my $before = '';
    for my $m (@{ $asked->{messages} }) {
        my %roles = map { $_ => 1 } $provider eq 'anthropic' ? qw(user assistant) : qw(system user assistant tool);
        return $bad->(400, "messages: unexpected role $m->{role}") if !$roles{ $m->{role} };
        return $bad->(400, 'roles must alternate')                  if $provider eq 'anthropic' && $m->{role} eq $before;
        return $bad->(400, 'content is empty')                      if !defined $m->{content} && !$m->{tool_calls};
        $before = $m->{role};
    }
    return;
}

# Wait, as long as the other side does.
sub _wait ($self, $seconds) {
    my $until = time + $seconds;
    while ((my $left = $until - time) > 0) {
        IO::Select->new($self->{peer})->can_read($left) or last;
        next if sysread $self->{peer}, my $more, 4096;
        $self->_gone;
    }
    return;
}

sub _gone ($self) {
    $self->_note({ gone => $self->{id} });
    POSIX::_exit(0);
}

sub _send ($self, $bytes) {
    my $n = $self->{chunk} || length $bytes;
    for (my $at = 0; $at < length $bytes; $at += $n) {
        syswrite $self->{peer}, substr $bytes, $at, $n or $self->_gone;
        sleep 0.0005 if $self->{chunk};
    }
    return;
}

sub _whole ($self, $status, $body, $headers = {}) {
    my $text = ref $body ? $json->encode($body) : $body;
    my %all  = ('Content-Type' => 'application/json', 'Content-Length' => length $text, Connection => 'close', %{ $headers // {} });
    $self->_send(join "\r\n", "HTTP/1.1 $status Stub", (map { "$_: $all{$_}" } sort keys %all), '', $text);
    return;
}

sub _begin_stream ($self, $how) {
    use IO::Handle;
    require Socket;
    setsockopt $self->{peer}, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
    $self->{chunk} = $how->{chunk};
    syswrite $self->{peer}, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    return;
}

# Before a piece: wait, break off, or fail.  False: it is over.
sub _next_piece ($self, $how, $n, $fail) {
    $self->_wait($how->{piece_delay}) if $how->{piece_delay};
    POSIX::_exit(0)                   if defined $how->{cut} && $n >= $how->{cut};
    if (defined $how->{error} && $n >= $how->{error}) {
        $fail->();
        return 0;
    }
    return 1;
}

sub _said ($how) { return @{ $how->{text} // ($how->{calls} ? [] : [ 'A harbour', ' is wh', 'ere ships are s', "\x{e4}fe \x{1f600}", ".\n" ]) } }

# ------------------------------------------------------------------ the two forms

sub _openai ($self, $provider, $asked, $how) {
    my @usage = @{ exists $how->{usage} ? $how->{usage} // [] : [ 12, 7, 0 ] };
    my $usage = @usage ? { prompt_tokens => $usage[0], completion_tokens => $usage[1], total_tokens => $usage[0] + $usage[1], prompt_tokens_details => { cached_tokens => $usage[2] // 0 } } : undef;
    my $finish = $how->{finish} // ($how->{calls} ? 'tool_calls' : 'stop');
    my %head   = (id => 'chatcmpl-stub', created => 1_764_000_000, model => "$asked->{model}-2024");
    my @calls  = @{ $how->{calls} // [] };
    if (!$asked->{stream}) {
        my $message = { role => 'assistant', content => $how->{calls} ? undef : join('', _said($how)), refusal => undef };
        $message->{tool_calls} = [ map { { id => $_->{id}, type => 'function', function => { name => $_->{name}, arguments => join '', @{ $_->{arguments} } } } } @calls ] if @calls;
        return $self->_whole(200, { %head, object => 'chat.completion', choices => [ { index => 0, message => $message, finish_reason => $finish, logprobs => undef } ], $usage ? (usage => $usage) : () });
    }
    $self->_begin_stream($how);
    my $n     = 0;
    my $chunk = sub ($delta, $end = undef) {
        my %body = (%head, object => 'chat.completion.chunk', choices => [ { index => 0, delta => $delta, finish_reason => $end, logprobs => undef } ]);
        $body{usage} = $provider eq 'pplx' ? $usage : undef;
        $self->_send('data: ' . $json->encode(\%body) . "\n\n");
    };
    my $fail = sub () { $self->_send('data: ' . $json->encode(_error('openai', 529, 'The server is overloaded')) . "\n\n") };
    $chunk->({ role => 'assistant', content => '' }) if !$how->{silent};
    for my $piece (_said($how)) {
        $self->_next_piece($how, $n++, $fail) or return;
        $self->_send(": OPENROUTER PROCESSING\n\n") if $how->{pings};
        $chunk->({ content => $piece });
    }
    for my $i (0 .. $#calls) {
        $chunk->({ tool_calls => [ { index => $i, id => $calls[$i]{id}, type => 'function', function => { name => $calls[$i]{name}, arguments => '' } } ] });
        for my $piece (@{ $calls[$i]{arguments} }) {
            $self->_next_piece($how, $n++, $fail) or return;
            $chunk->({ tool_calls => [ { index => $i, function => { arguments => $piece } } ] });
        }
    }
    $self->_next_piece($how, $n, $fail) or return;
    $chunk->({}, $finish);
    $self->_send('data: ' . $json->encode({ %head, object => 'chat.completion.chunk', choices => [], usage => $usage }) . "\n\n") if $usage && $provider ne 'pplx' && $asked->{stream_options};
    $self->_send("data: [DONE]\n\n");
    return;
}

sub _anthropic ($self, $provider, $asked, $how) {
    my @usage = @{ exists $how->{usage} ? $how->{usage} // [] : [ 12, 7, 0 ] };
    my $usage = { input_tokens => ($usage[0] // 0) - ($usage[2] // 0), cache_read_input_tokens => $usage[2] // 0, cache_creation_input_tokens => 0, output_tokens => $usage[1] // 0 };
    my %reason = (stop => 'end_turn', length => 'max_tokens', tool_calls => 'tool_use', content_filter => 'refusal');
    my @calls  = @{ $how->{calls} // [] };
    # A tool that has to be called is.
    my $forced = ($asked->{tool_choice} // {})->{type} // '';
    @calls = ({ id => 'toolu_forced', name => $asked->{tool_choice}{name}, arguments => [ _said($how) ] }) if $forced eq 'tool' && !@calls;
    my $reason = $reason{ $how->{finish} // (@calls ? 'tool_calls' : 'stop') };
    my %message = (id => 'msg_stub', type => 'message', role => 'assistant', model => "$asked->{model}-2025", stop_sequence => undef);
    if (!$asked->{stream}) {
        my @content = @calls ? map { { type => 'tool_use', id => $_->{id}, name => $_->{name}, input => eval { $json->decode(join '', @{ $_->{arguments} }) } // {} } } @calls : { type => 'text', text => join '', _said($how) };
        return $self->_whole(200, { %message, content => \@content, stop_reason => $reason, usage => $usage });
    }
    $self->_begin_stream($how);
    my $event = sub ($type, %data) { $self->_send("event: $type\r\ndata: " . $json->encode({ type => $type, %data }) . "\r\n\r\n") };
    my $fail  = sub () { $event->('error', error => { type => 'overloaded_error', message => 'Overloaded' }) };
    my $n     = 0;
    $event->('message_start', message => { %message, content => [], stop_reason => undef, usage => { %$usage, output_tokens => 1 } });
    $event->('ping');
    my $place = 0;
    if (!@calls) {
        $event->('content_block_start', index => $place, content_block => { type => 'text', text => '' });
        for my $piece (_said($how)) {
            $self->_next_piece($how, $n++, $fail) or return;
            $event->('ping') if $how->{pings};
            $event->('content_block_delta', index => $place, delta => { type => 'text_delta', text => $piece });
        }
        $event->('content_block_stop', index => $place++);
    }
    for my $call (@calls) {
        $event->('content_block_start', index => $place, content_block => { type => 'tool_use', id => $call->{id}, name => $call->{name}, input => {} });
        for my $piece (@{ $call->{arguments} }) {
            $self->_next_piece($how, $n++, $fail) or return;
            $event->('content_block_delta', index => $place, delta => { type => 'input_json_delta', partial_json => $piece });
        }
        $event->('content_block_stop', index => $place++);
    }
    $self->_next_piece($how, $n, $fail) or return;
    $event->('message_delta', delta => { stop_reason => $reason, stop_sequence => undef }, usage => { output_tokens => $usage->{output_tokens} });
    $event->('message_stop');
    return;
}

# Of each text: 0.5, -1.25 and its place.
sub _embeddings ($asked) {
    my @input = ref $asked->{input} ? @{ $asked->{input} } : $asked->{input};
    my $form  = sub ($n) { ($asked->{encoding_format} // '') eq 'base64' ? encode_base64(pack('f<3', 0.5, -1.25, $n), '') : [ 0.5, -1.25, $n ] };
    return {
        object => 'list', model => $asked->{model}, usage => { prompt_tokens => 3 * @input, total_tokens => 3 * @input },
        data => [ map { { object => 'embedding', index => $_, embedding => $form->($_) } } 0 .. $#input ],
    };
}

sub DESTROY ($self) {
    return if $$ != $self->{owner};
    local $?;    # not "= $?", which is 0 then: a test that dies would exit with that
    kill 'KILL', -$self->{pid}, $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

1;
