package Ashlar::Contract;

# Every row of `ashlar routes` keeps what it declares: who may call, and what
# each field takes.  Nothing here knows an endpoint; a new row is covered when
# it appears.  t/api/runtime/contract_app.t and its siblings are a surface each.

use v5.36;
use Api;
use Ashlar::Rows qw(rows surface_of good email_of max_of least_of most_of spoiled text_of);
use Exporter 'import';

our @EXPORT = qw(contract);

my $page = 'https://app.example.com';
my ($t, @rows, $user, $admin, $root, $public, $own, $secret, $foreign, $revoked, $stranger, %operator, %team);

# What platforms call with: keys, the page they are on, and the team.
sub prepare () {
    $t        = Api->start(host => 1, CORS_ORIGINS => $page, FREEPLAN_MAX_USERS => 0, FREEPLAN_MAX_PROJECTS => 0);
    $user     = $t->user('user');
    $admin    = $t->user('admin', role => 'admin');
    $root     = $t->user('root', role => 'superadmin');
    $public   = $t->key(type => 'public', origins => [$page]);
    $own      = $t->key(type => 'public', origins => ['https://own.example']);
    $secret   = $t->key;
    $foreign  = $t->key(tenant => 'other');
    $revoked  = $t->key(columns => { revoked_at => 'now' });
    $stranger = $t->user('stranger', tenant => 'other');
    %operator = map { $_ => $t->user("operator-$_", role => $_) } qw(user admin superadmin editor builder agent viewer demo member);
    %team     = map { $_ => $t->team($_, role => $_) } qw(member admin owner);
    return;
}

# ------------------------------------------------------------------ values of a field

sub url_of ($n) { return 'https://e.example/' . 'x' x ($n - 18) }

# The first and the last value that it takes, by name.
sub edges ($field) {
    my ($type, $min, $max) = ($field->{type}, $field->{min}, max_of($field));
    my @edges = (['a good value' => good($field)]);
    if ($type eq 'text' && !$field->{pattern}) {
        push @edges, [ 'the shortest' => 'x' x $min ];
        push @edges, [ 'the longest'  => "\x{e9}" x $max ] if $max <= 10_000;
    }
    if ($type eq 'int' || $type eq 'number') {
        my %of = ('the least' => scalar least_of($field), 'the most' => scalar most_of($field));
        push @edges, map { [ $_ => $of{$_} ] } grep { defined $of{$_} } sort keys %of;
        push @edges, [ 'one below zero' => -1 ] if !defined $of{'the least'};
    }
    push @edges, [ 'the longest' => url_of($max) ] if $type eq 'url';
    push @edges, [ 'the longest' => 'a' x $max ], [ 'words' => 'a-0-b1' ] if $type eq 'slug';
    push @edges, map { [ "the choice $_" => $_ ] } @{ $field->{values} } if $type eq 'enum';
    push @edges, [ 'false' => false ] if $type eq 'bool';
    push @edges, [ 'null'  => undef ] if $field->{nullable};
    return @edges;
}

# The first numbers on either side that it does not take.
sub beyond ($field) {
    my ($least, $most) = (least_of($field), most_of($field));
    my $step = $field->{type} eq 'int' ? 1 : 0.0625;
    return (
        (defined $least && $least > -9e15 ? [ 'one too little' => $least - $step ] : ()),
        (defined $most && !$field->{clamped} ? [ 'one too much' => $most + $step ] : ()),
    );
}

# What it refuses as text: in a query string, and as a JSON string too.
sub bad_texts ($field) {
    my ($type, $min, $max) = ($field->{type}, $field->{min}, max_of($field));
    my @bad;
    if ($type eq 'text') {
        push @bad, [ 'what has another form'  => "\x{1}" ] if $field->{pattern};
        push @bad, [ 'one character too few'  => 'x' x ($min - 1) ] if $min;
        push @bad, [ 'one character too many' => 'x' x ($max + 1) ] if $max <= 7000;
    }
    elsif ($type eq 'int' || $type eq 'number') {
        push @bad, [ 'a word' => 'x' ], [ 'nothing' => '' ], [ 'a number and more' => $min . 'x' ], [ 'hexadecimal' => '0x10' ];
        push @bad, beyond($field);
        push @bad, [ 'a fraction'     => "$min.5" ], [ 'beyond 64 bits' => '9223372036854775808' ] if $type eq 'int';
        push @bad, [ 'no number' => 'nan' ], [ 'infinity' => 'inf' ] if $type eq 'number';
    }
    elsif ($type eq 'bool') { push @bad, map { [ "'$_'" => $_ ] } 'yes', 'TRUE', '2', '' }
    elsif ($type eq 'enum') { push @bad, map { [ "'$_'" => $_ ] } 'no-such-choice', '', (grep { $_ ne $field->{values}[0] } uc $field->{values}[0]), "$field->{values}[0] " }
    elsif ($type eq 'uuid') { push @bad, map { [ "'$_'" => $_ ] } 'x', '', '00000000-0000-7000-8000-00000000dea', '00000000-0000-7000-8000-00000000deadd', '0' x 36 }
    elsif ($type eq 'email') { push @bad, map { [ "'" . substr($_, 0, 30) . "'" => $_ ] } 'x', '', '@', 'a@', '@b.c', 'a b@c.de', 'a@b@c.de', email_of(255) }
    elsif ($type eq 'slug') { push @bad, map { [ "'" . substr($_, 0, 30) . "'" => $_ ] } '', 'A', '-a', 'a-', 'a--b', 'a b', 'a_b', "\x{e9}", 'a' x ($max + 1) }
    elsif ($type eq 'url') { push @bad, map { [ "'" . substr($_, 0, 30) . "'" => $_ ] } 'x', '', 'ftp://x.y/', '//x.y', 'javascript:x', 'https://', url_of($max + 1),
        'https://me@x.example/', 'https://me:secret@x.example', ($field->{page} ? () : ('https://x.example/#top', 'https://x.example#')), map { "https://x.example:$_/" } 0, 22, 25, 79, 81, 444, 1023, 65536 }
    elsif ($type eq 'datetime') { push @bad, map { [ "'$_'" => $_ ] } 'x', '', ($field->{day} ? '2026-02-30' : '2026-01-31'), '2026-01-31T12:00:00', '2026-02-30T12:00:00Z', '2026-01-31T25:00:00Z' }
    elsif ($type eq 'color') { push @bad, map { [ "'$_'" => $_ ] } '', 'red', '1a73e8', '#1a73e', '#1a73e88', '#1a73eg' }
    elsif ($type eq 'list') {
        my $n = $max + 1;
        push @bad, [ 'one too many' => join ',', (text_of(good($field->{item}))) x $n ] if $n <= 100;
        push @bad, map { [ "$_->[0] in it" => join ',', text_of(good($field->{item})), $_->[1] ] } grep { $_->[1] !~ /,/ && !($field->{csv} && $_->[1] =~ /\A\z|\A\s|\s\z/) } bad_texts($field->{item});    # blanks around one, and none at all, do not count
    }
    elsif ($type eq 'date') { push @bad, map { [ "'$_'" => $_ ] } 'x', '', '2026-02-30', '2026-1-1', '2026-01-31T12:00:00Z' }
    return @bad;
}

# What it refuses in JSON.
sub bad_values ($field) {
    my $type = $field->{type};
    return () if $type eq 'json';
    my %of = (string => 'x', number => 7, fraction => 1.5, bool => true, list => [1], object => { a => 1 });
    my %fits = (
        int    => ['number'],
        number => [ 'number', 'fraction' ],
        bool   => ['bool'],
        object => ['object'],
        list   => ['list'],
    );
    my %ok = map { $_ => 1 } @{ $fits{$type} // ['string'] };
    my @bad = map { [ "a $_" => $of{$_} ] } grep { !$ok{$_} } sort keys %of;
    push @bad, [ null => undef ] if !$field->{nullable};
    if ($type eq 'int' || $type eq 'number') {
        push @bad, beyond($field);
    }
    elsif ($type !~ /^(?:bool|object|list)$/) {
        push @bad, bad_texts($field);
    }
    return @bad;
}

# ------------------------------------------------------------------ a request that a row describes

# An organization of the caller's; a new one when what came before may have ended it.
sub own_organization () {
    state ($id, $at, $n);
    if (($at // -1) != $t->changes) {
        ($id, $at) = ($t->organization($user), $t->changes);
        $t->db->do('ANALYZE organizations, memberships') if ++$n % 50 == 0;    # autovacuum's to do, which a test does not wait for
    }
    return $id;
}

# The caller is in the organization that the path names, and may do what the row is about.
sub path_of ($row, $version, $organization = undef) {
    my $path = $row->{path} =~ s{^/api/v1/}{/api/v$version/}r;
    if ($row->{caller}{place} eq 'organization') {
        $organization //= own_organization();
        $path =~ s/\{(?:org|organization|workspace)_id\}/$organization/;
    }
    for my $param (@{ $row->{params} }) {
        my $value = $param->{type} =~ /^(?:uuid|enum)$/ ? good($param) : $param->{type} eq 'int' ? 2_000_000_000 : 'nobody-has-this-id';
        $path =~ s/\{\Q$param->{name}\E\}/$value/;
    }
    return $path;
}

# Whose organization a header names, and not the path; the header.
sub in_workspace ($row) { return $row->{caller}{place} eq 'workspace' }

sub headers_of ($row, $organization = undef) {
    return if !in_workspace($row);
    my $id = $organization // own_organization();
    utf8::downgrade($id);    # the database's text; a request is bytes
    return ($row->{caller}{header} => $id);
}

# The members of one of the ways that a row lets its caller choose; without, where others are sent that go another way.
sub way_of ($row, $nr, %sent) {
    my @ways = map { { map { $_ => 1 } @$_ } } @{ $row->{choice}{ways} };
    return if grep { my $name = $_; grep { $_->{$name} } grep { $_ != $ways[$nr] } @ways } keys %sent;
    return map { $_->{name} => good($_) } grep { $ways[$nr]{ $_->{name} } } @{ $row->{body} };
}

# A request with the required fields, and with those of %change; an undefined query parameter is left out.
sub ask ($row, $who, %arg) {
    my %query = map { $_->{name} => text_of(good($_)) } grep { $_->{required} } @{ $row->{query} };
    my %body  = map { $_->{name} => good($_) } grep { $_->{required} } @{ $row->{body} };
    %body = (%body, way_of($row, $arg{way} // 0, %{ $arg{body} // {} })) if $row->{choice} && $row->{choice}{kind} ne 'most';
    %query = (%query, %{ $arg{query} // {} });
    %body  = (%body, %{ $arg{body} // {} });
    delete @query{ @{ $arg{without} // [] } };
    delete @body{ @{ $arg{without}  // [] } };
    $t->revive($who);
    return $who->request(
        $row->{method}, path_of($row, $arg{version} // 1, $arg{organization}),
        headers => { %{ $who->{headers} }, Accept => '*/*', headers_of($row, $arg{organization}) },
        (%query ? (query => \%query) : ()),
        (@{ $row->{body} } ? (json => $arg{whole} // \%body) : ()),
    );
}

# A key of that organization.
sub own_key () {
    state ($key, $of);
    my $now = own_organization();
    ($key, $of) = ($t->key(type => 'workspace', of => $now), $now) if ($of // '') ne $now;
    return $key;
}

# With no more than the row asks for.
sub caller_of ($row) {
    my $by = $row->{caller};
    return own_project()->with(token => $t->project_token(own_project())) if $by->{project};
    return $t->nobody if $by->{key} eq 'unread';
    return $team{ $by->{role} } if $by->{team};
    return $t->nobody->with(key => $secret) if $by->{token} eq 'or_secret';
    return $t->nobody->with(key => own_key()) if $by->{key} eq 'workspace';
    return $operator{ $row->{may} && $row->{may}{roles} !~ /\beditor\b/ ? 'superadmin' : 'editor' } if $by->{key_is_bearer};
    my $who = $by->{token} ne 'needed' ? $t->nobody : $by->{role} eq 'admin' ? $admin : $user;
    my %key = $by->{key} eq 'secret' || $by->{token} eq 'or_key' ? (key => $secret) : (key => $public, origin => $page);
    return $by->{key} eq 'beside' ? $who : $who->with(%key);
}

# Valid input: whatever the answer is, it is not about the form of the input, nor
# about who calls.  A handler may find fault with it, in words of its own.
sub taken ($res, $name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $error = $res->status < 400 ? undef : $res->json('/error');
    my $ok    = !$error
        || $res->status =~ /^(?:402|404|409|429)$/
        || $error->{code} =~ /^(?:INVALID_CREDENTIALS|EMAIL_NOT_VERIFIED|ACCOUNT_INACTIVE|TOKEN_INVALID|INVALID_CODE)$/
        || ($error->{code} =~ /^(?:AUTHORIZATION_ERROR|UNSUPPORTED_MEDIA_TYPE)$/ && $error->{details}{field})
        || $error->{message} =~ /\b(?:the refresh token|no password yet|wrong email or password|none of an impersonation|is erased by)\b/
        || ($error->{code} eq 'BAD_REQUEST' && ($error->{details}{field} // '') =~ /\A(?:user_id|email|role|Trace-Id)\z/)    # a form would be 422
        || ($error->{code} eq 'BAD_REQUEST' && $error->{message} =~ /\bhas no subscription\z|\bAPI key of a project is a UUID\z/)
        || ($res->status == 503 && $error->{message} =~ /\bare not configured\z/)
        || ($error->{code} eq 'VALIDATION_ERROR' && $error->{message} !~ /^\S+ (?:must be|is required)\b/);
    ok $ok, $name or diag $res->describe;
    return;
}

# ------------------------------------------------------------------ who may call

# Each of the credentials that a row asks for, missing and wrong.
sub check_access ($row, @args) {
    my $by      = $row->{caller};
    my $who     = caller_of($row);
    my $refused = sub ($name, $status, $code, %with) { return error_is ask($row, $who->with(%with), @args), $status, $code, name => $name };
    my $key     = $by->{key} =~ /taken|needed|secret/;
    my $token   = $by->{token} eq 'needed';
    my $either  = $by->{token} eq 'or_key';
    my $keyless = $by->{key} eq 'taken';

    if ($by->{project}) {
        check_project($row, $refused, @args);
        return;
    }
    if ($by->{key} eq 'workspace') {
        check_workspace_key($row, $who, $refused, @args);
        return;
    }
    if ($by->{token} eq 'or_secret') {
        check_gateway($row, @args);
        return;
    }
    if (grep { $_ eq 'accepts' } @{ $row->{flags} }) {    # it looks at origins itself, and has a form of its own: t/api/ops/mcp.t
        is ask($row, $t->nobody, @args)->status, 415, 'anyone may call';
        return;
    }
    if ($by->{name} eq 'holder') {
        check_holder($row, $refused, @args);
        return;
    }
    if ($by->{key_is_bearer}) {
        check_operator($row, $refused, @args);
        return;
    }
    if ($by->{key} eq 'unread') {
        check_page($row, $t->nobody, @args);
        taken ask($row, $t->nobody, @args), 'anyone may call';
        taken ask($row, $t->nobody->with(token => 'nonsense', key => 'nonsense'), @args), '  and bad credentials are not looked at';
        return;
    }

    my $no_key = $row->{id} =~ /\Aoperations\./ ? 'AUTHENTICATION_ERROR' : 'INVALID_API_KEY';    # that surface does not tell them apart
    $refused->('not with what is no key',   401, $no_key, key => $_) for 'nonsense', '', "${secret}x", substr($secret, 0, -1), $secret =~ s/^s/x/r;
    $refused->('nor with an unknown one',   401, $no_key, key => 'sk_live_' . 'x' x 32);
    $refused->('nor with a revoked one',    401, $no_key, key => $revoked);
    if ($by->{key} eq 'secret') {
        $refused->('nor with a public one', 403, 'AUTHORIZATION_ERROR', key => $public, origin => $page);
    }
    elsif ($key) {
        my %user = $either ? (token => $user->token) : ();
        $refused->("nor with a public one from $_->[0]", 403, 'ORIGIN_NOT_ALLOWED', key => $public, origin => $_->[1], %user)
            for ['nowhere'], [ 'another host', 'https://app.example.com.evil.example' ], [ 'another scheme', 'http://app.example.com' ],
            [ 'another port', "$page:8443" ];
    }
    else {
        check_page($row, $who, @args);
    }
    if ($key && !$keyless) {
        $refused->('nor without one', 401, 'INVALID_API_KEY', key => undef);
    }
    elsif ($key) {
        taken ask($row, $who->with(key => undef), @args), 'but without one';
    }

    if ($key) {
        # A preflight carries no key; the answer then says whether its page may read it.
        my $evil = 'https://evil.example.com';
        my $res  = $t->request('OPTIONS', path_of($row, 1), headers => { Origin => $evil, 'Access-Control-Request-Method' => $row->{method} });
        header_is $res, 'Access-Control-Allow-Origin', $evil, 'a preflight is granted to every page';
        header_like $res, 'Access-Control-Allow-Headers', qr/(?=.*\bX-API-Key\b)(?=.*\bX-Organization-Id\b)(?=.*\bContent-Type\b)(?=.*\bAuthorization\b)/, '  with these headers';
        if ($by->{key} ne 'secret') {
            my %page = (key => $public, origin => $page, $either ? (token => $user->token) : ());
            header_is ask($row, $who->with(%page), @args), 'Access-Control-Allow-Origin', $page, 'a page of the key\'s may read the answer';
            header_is ask($row, $who->with(%page, token => 'expired'), @args), 'Access-Control-Allow-Origin', $page, '  and why it is refused';
            header_is ask($row, $who->with(%page, origin => $evil), @args), 'Access-Control-Allow-Origin', $evil, '  and any other page that it is refused';
        }
        $res = ask($row, $who->with(key => $secret, origin => $evil), @args);
        header_absent $res, 'Access-Control-Allow-Origin', 'no page may read the answer to a secret key';
        like join(', ', $res->header('Vary')), qr/\bOrigin\b/, '  and caches keep them apart';
    }

    if ($token) {
        $refused->('not without a token', 401, 'AUTHENTICATION_ERROR', token => undef);
        $refused->('nor with a key of another tenant', 401, 'AUTHENTICATION_ERROR', key => $foreign);
    }
    if ($by->{token} ne 'unread') {
        # A secret key needs no token, so that none is read beside it.
        my @with   = $either ? (key => $public, origin => $page) : ();
        my %wrong  = (
            'a forged token'             => $t->token($user, secret => 'x' x 32),
            'an old one'                 => $t->token($user, exp => 1e9, iat => 1e9 - 9),
            $by->{team} ? ('a user\'s' => $user->token) : ('a team member\'s' => $team{owner}->token),
            $key && !$keyless || @with ? ('one of another tenant' => $stranger->token) : (),
        );
        $refused->("nor with $_", 401, 'AUTHENTICATION_ERROR', @with, token => $wrong{$_}) for sort keys %wrong;
        $refused->('nor with a public key alone', 401, 'AUTHENTICATION_ERROR', @with) if @with;
        taken ask($row, $user->with(@with), @args), '  but with the user\'s token too' if @with;
    }
    else {
        taken ask($row, $who->with(token => 'nonsense'), @args), 'and a bad token is not looked at';
    }

    if (($by->{role} // '') eq 'admin' && !$by->{team}) {
        $refused->('not as a user', 403, 'AUTHORIZATION_ERROR', %$user{qw(token session uuid email)});
        taken ask($row, $root, @args), '  but as a superadmin';
    }
    if (($by->{role} // '') eq 'admin' && $by->{team}) {
        $refused->('not as any member', 403, 'AUTHORIZATION_ERROR', %{ $team{member} }{qw(token session uuid email)});
        taken ask($row, $team{owner}, @args), '  but as an owner';
    }
    error_is ask($row, $who->with(headers => { 'X-Test-Mode' => 'perhaps' }), @args), 400, 'BAD_REQUEST', field => 'X-Test-Mode', name => 'test mode is yes or no'
        if $by->{test_mode};
    check_workspace($row, $who, @args)    if $by->{place} eq 'workspace';
    check_organization($row, $who, @args) if $by->{place} eq 'organization';
    return;
}

# Who asks what their credentials are for: with any, or none; what comes has to be good.
sub check_holder ($row, $refused, @args) {
    my $nobody = $t->nobody;
    taken ask($row, $nobody, @args), 'without credentials';
    taken ask($row, $_, @args), 'with some' for $user, $nobody->with(key => $secret), $nobody->with(token => $secret), $nobody->with(key => $public, origin => $page), $user->with(key => $secret);
    $refused->('not with what is no key',   401, 'INVALID_API_KEY',      key   => $_) for 'nonsense', 'sk_live_' . 'x' x 32, $revoked;
    $refused->('nor with what is no token', 401, 'AUTHENTICATION_ERROR', token => 'nonsense');
    $refused->('nor as another page',       403, 'ORIGIN_NOT_ALLOWED',   key   => $public, origin => 'https://evil.example.com');
    return;
}

# A page sends its public key along wherever it calls.  Where none is asked for it opens nothing and
# refuses no caller; it says whose pages may read the answer.
sub check_page ($row, $who, @args) {
    my $res = $t->request('OPTIONS', path_of($row, 1), headers => {
        Origin => 'https://own.example', 'Access-Control-Request-Method' => $row->{method}, 'Access-Control-Request-Headers' => 'content-type,x-api-key' });
    header_is $res, 'Access-Control-Allow-Origin', 'https://own.example', 'a preflight that announces a key is granted to every page';
    $res = ask($row, $who->with(key => $own, origin => 'https://own.example'), @args);
    taken $res, '  and its page may call';
    header_is $res, 'Access-Control-Allow-Origin', 'https://own.example', '  and read the answer';
    for ([ $own, undef ], [ $own, 'https://evil.example.com' ], [ 'pk_live_' . 'x' x 32, 'https://own.example' ], [ 'pk_live_short', undef ]) {
        my ($key, $origin) = @$_;
        $res = ask($row, $who->with(key => $key, origin => $origin), @args);
        taken $res, '  with ' . substr($key, 0, 13) . ' from ' . ($origin // 'nowhere') . ', too';
        header_absent $res, 'Access-Control-Allow-Origin', '    but who is no page of the key\'s reads nothing' if $res->status < 400;
    }
    return;
}

# A user's token, or a secret key alone; and the roles that may.  A key is an editor.
sub check_operator ($row, $refused, @args) {
    my $by     = $row->{caller};
    my $nobody = $t->nobody;
    $refused->('not without credentials', 401, 'AUTHENTICATION_ERROR', token => undef);
    my %wrong = (
        'a forged token'     => $t->token($user, secret => 'x' x 32),
        'an old one'         => $t->token($user, exp => 1e9, iat => 1e9 - 9),
        q{a team member's}   => $team{owner}->token,
        'an unknown key'     => 'sk_live_' . 'x' x 32,
        'what is no key'     => "${secret}x",
        'a revoked key'      => $revoked,
        'a public key'       => $public,
    );
    $refused->("nor with $_ as the bearer", 401, 'AUTHENTICATION_ERROR', token => $wrong{$_}) for sort keys %wrong;
    $refused->('nor with what is no key', 401, 'AUTHENTICATION_ERROR', key => $_) for 'nonsense', '', "${secret}x";
    $refused->('nor with a revoked one', 401, 'AUTHENTICATION_ERROR', key => $revoked);
    error_is ask($row, $nobody->with(key => $public, origin => $page), @args), 401, 'AUTHENTICATION_ERROR', name => 'nor with a public one alone';
    $refused->('nor with an unknown key of an organization', 401, 'AUTHENTICATION_ERROR', token => 'sk_live_' . 'x' x 40);
    my %may = map { $_ => 1 } ($row->{may}{roles} // join ',', keys %operator) =~ /\w+/g;
    if ($by->{organization_key}) {
        state %key = map { $_ => $t->key(type => 'organization', of => $t->organization($operator{$_}), by => $operator{$_}) } qw(editor superadmin);
        state $narrow = $t->key(type => 'organization', of => $t->organization($operator{editor}), by => $operator{editor}, columns => { scopes => ['tasks:read'] });
        if ($may{editor}) {
            taken ask($row, $nobody->with(key => $key{editor}), @args), 'with an organization\'s key alone';
            taken ask($row, $nobody->with(token => $key{superadmin}), @args), '  which may be the bearer, and is no more than an editor';
        } else {
            error_is ask($row, $nobody->with(key => $key{superadmin}), @args), 403, 'AUTHORIZATION_ERROR', name => 'not with the key of an administrator: a key never is one';
        }
        error_is ask($row, $nobody->with(key => $narrow), @args), 403, 'INSUFFICIENT_SCOPE', name => 'nor with one that is not for everything' if !$row->{scope};
    }
    if ($by->{name} =~ /^(?:person|session)$/) {
        error_is ask($row, $nobody->with($_ => $secret), @args), 401, 'AUTHENTICATION_ERROR', name => "nor with a tenant's own as the $_, which is nobody" for qw(key token);
    } elsif ($may{editor}) {
        taken ask($row, $nobody->with(key => $secret), @args), 'but with a secret key alone';
        taken ask($row, $nobody->with(token => $secret), @args), '  which may be the bearer';
    }
    for my $role (sort keys %operator) {
        my $res = ask($row, $operator{$role}, @args);
        if   ($may{$role}) { taken $res, "as $role" }
        else               { error_is $res, 403, 'AUTHORIZATION_ERROR', name => "not as $role" }
    }
    my %spoiled = spoiled($row) or return;
    error_is ask($row, $operator{demo}, @args, %spoiled), 403, 'AUTHORIZATION_ERROR', name => '  whatever is sent' if !$may{demo};
    return;
}

# A secret key, in either place, with a user's token or without; or the token, with a public key or without.
sub check_gateway ($row, @args) {
    my $refused = sub ($name, $status, $code, %with) { return error_is ask($row, $t->nobody->with(%with), @args), $status, $code, name => $name };
    my %public  = (key => $public, origin => $page);
    $refused->('not without credentials',      401, 'AUTHENTICATION_ERROR');
    $refused->('nor with a public key alone',  403, 'AUTHORIZATION_ERROR', %public);
    $refused->('nor with what is no key',      401, 'INVALID_API_KEY', key => $_) for 'nonsense', "${secret}x";
    $refused->('nor with what is none as the bearer', 401, 'INVALID_API_KEY', token => $_) for "${secret}x", 'sk_live_' . 'x' x 32, $revoked;
    $refused->('nor with a revoked one',       401, 'INVALID_API_KEY', key => $revoked);
    my %wrong = ('a forged token' => $t->token($user, secret => 'x' x 32), 'an old one' => $t->token($user, exp => 1e9, iat => 1e9 - 9), q{a team member's} => $team{owner}->token, 'one of another tenant' => $stranger->token);
    for my $with ({ key => $secret }, {%public}) {
        $refused->("nor with $_", 401, 'AUTHENTICATION_ERROR', %$with, token => $wrong{$_}) for sort keys %wrong;
        taken ask($row, $user->with(%$with), @args), 'but with the user\'s token';
    }
    $refused->('nor from another page', 403, 'ORIGIN_NOT_ALLOWED', key => $public, origin => 'https://evil.example.com', token => $user->token);
    taken ask($row, $user, @args), 'a token is enough';
    taken ask($row, $t->nobody->with(key => $secret), @args), 'as is a secret key';
    taken ask($row, $t->nobody->with(token => $secret), @args), '  which may be the bearer';
    return;
}

# A project of the caller's organization, as what sends traces to it.
sub own_project () {
    state ($project, $at);
    ($project, $at) = ($t->trace_project($t->organization($user)), $t->changes) if ($at // -1) != $t->changes;
    return $project;
}

# A project's token or its key, in either place, and nothing else.
sub check_workspace_key ($row, $who, $refused, @args) {
    my $key   = $who->{key};
    my $else  = $t->organization($user);
    my $other = sub (%column) { return $t->key(type => 'workspace', of => own_organization(), columns => \%column) };
    my %wrong = (
        'what is no key'                  => 'nonsense',
        'a longer one'                    => "${key}x",
        'a shorter one'                   => substr($key, 0, -1),
        'one with another end'            => substr($key, 0, -1) . ($key =~ /A\z/ ? 'B' : 'A'),
        'an unknown one'                  => 'ash_live_' . 'x' x 34 . Api::key_check('x' x 34),
        'a secret key'                    => $secret,
        'a public key'                    => $public,
        'one that is revoked'             => $other->(revoked_at => 'now'),
        'one that is switched off'        => $other->(is_active => 'f'),
        'one that has expired'            => $other->(expires_at => 'yesterday'),
        'one of a deleted workspace'      => $t->key(type => 'workspace', of => deleted($else)),
    );
    $refused->('not without a key', 401, 'INVALID_API_KEY', key => undef);
    $refused->("nor with $_", 401, 'INVALID_API_KEY', key => $wrong{$_}) for sort keys %wrong;
    $refused->('nor with a user\'s token', 401, 'INVALID_API_KEY', key => undef, token => $user->token);
    $refused->('nor with another workspace\'s', 403, 'AUTHORIZATION_ERROR', key => $t->key(type => 'workspace', of => $t->organization($user)));
    $refused->('nor from elsewhere',           403, 'AUTHORIZATION_ERROR', key => $other->(allowed_ranges => '{192.0.2.0/24}'));
    taken ask($row, $who, @args), 'but with its own';
    taken ask($row, $who->with(token => 'nonsense'), @args), '  beside which no token is looked at';
    my $res = ask($row, $who->with(origin => 'https://evil.example.com'), @args);
    header_absent $res, 'Access-Control-Allow-Origin', 'no page may read the answer';
    return;
}

sub check_project ($row, $refused, @args) {
    my $project = own_project();
    my $gone    = sub (%column) { return $t->trace_project($t->organization($user), columns => \%column) };
    $refused->('not without credentials', 401, 'AUTHENTICATION_ERROR', token => undef);
    my %wrong = (
        'what is no token'              => 'nonsense',
        'an unknown key'                => '6f9619ff-8b86-4d01-b42d-00cf4fc964ff',
        'a user\'s token'               => $user->token,
        'a secret key'                  => $secret,
        'a forged token'                => $t->project_token($project, secret => 'x' x 32),
        'an old one'                    => $t->project_token($project, exp => 1e9, iat => 1e9 - 9),
        'one for somebody else'         => $t->project_token($project, aud => 'ashlar'),
        'one of another key'            => $t->project_token($project, key_id => '0' x 16),
        'one of another tenant'         => $t->project_token($project, tid => $stranger->tenant_id),
        'one of no project'             => $t->project_token($project, project_id => undef),
        'a deleted project\'s key'      => $gone->(deleted_at => 'now')->token,
        'a deleted organization\'s key' => $t->trace_project(deleted($t->organization($user)))->token,
    );
    $refused->("nor with $_", 401, 'AUTHENTICATION_ERROR', token => $wrong{$_}) for sort keys %wrong;
    $refused->('nor with a user\'s as the key', 401, 'AUTHENTICATION_ERROR', token => undef, key => $_) for $user->token, $secret, '';
    isnt ask($row, $project->with(token => $t->project_token($project)), @args)->status, 401, 'but with a token' or diag $t->last->describe;
    isnt ask($row, $project->with(token => undef, key => $t->project_token($project)), @args)->status, 401, '  which may be sent as the key';
    return;
}

# The organization that the path names: one of the tenant's, and the caller one of its members with a fit role.
sub check_organization ($row, $who, @args) {
    my %role    = map { $_ => 1 } $row->{may}{roles} =~ /\w+/g;
    my %spoiled = spoiled($row);
    my $try     = sub ($organization, @more) { return ask($row, $who, @args, organization => $organization, @more) };
    for ([ 'an unknown organization' => '00000000-0000-7000-8000-00000000dead' ], [ 'one of another tenant' => $t->organization($stranger) ],
        [ 'a deleted one' => deleted($t->organization($user)) ]) {
        error_is $try->($_->[1]), 404, 'NOT_FOUND', name => "not $_->[0]";
        is $try->($_->[1], %spoiled)->status, $row->{invalid}, '  but first what is wrong with the request' if %spoiled;
    }
    my $somebody = $t->user("somebody-$row->{id}");
    my $theirs   = $t->organization($somebody);
    error_is $try->($theirs), 403, 'AUTHORIZATION_ERROR', name => 'not one of others';
    error_is $try->($theirs, %spoiled), 403, 'AUTHORIZATION_ERROR', name => '  whatever is sent' if %spoiled;
    for my $role (qw(owner admin member developer viewer business_user)) {
        my $organization = $t->organization($somebody);
        $t->member($organization, $who, $role);
        my $res = $try->($organization);
        if   ($role{$role}) { taken $res, "as $role" }
        else                { error_is $res, 403, 'AUTHORIZATION_ERROR', name => "not as $role"; is $res->json('/error/details/permission'), $row->{may}{name} }
    }
    return;
}

# The workspace that a header names: whichever it is not the caller's, the answer is the same.
sub check_workspace ($row, $who, @args) {
    my $try      = sub ($organization) { return ask($row, $who, @args, organization => $organization) };
    my $somebody = $t->user("somebody-$row->{id}");
    my $inactive = $t->organization($somebody);
    $t->member($inactive, $who, 'owner');
    $t->db->do('UPDATE memberships SET is_active = false WHERE organization_id = ? AND user_id = ?', undef, $inactive, $who->uuid);
    for ([ 'an unknown workspace' => '00000000-0000-7000-8000-00000000dead' ], [ 'one of another tenant' => $t->organization($stranger) ],
        [ 'a deleted one' => deleted($t->organization($user)) ], [ 'one of others' => $t->organization($somebody) ], [ 'one where the membership is inactive' => $inactive ]) {
        error_is $try->($_->[1]), 403, 'AUTHORIZATION_ERROR', name => "not $_->[0]";
    }
    error_is $try->($_), 400, 'BAD_REQUEST', field => $row->{caller}{header}, name => "nor '$_'" for '', 'x', '0' x 36;
    error_is $who->request($row->{method}, path_of($row, 1), @{ $row->{body} } ? (json => {}) : ()), 400, 'BAD_REQUEST', field => $row->{caller}{header}, name => 'nor none'
        if $row->{caller}{needs_header};
    my $may     = $row->{may} ? join ' ', $row->{may}{roles}, $row->{may}{own}{roles} // () : 'owner admin member developer viewer';
    my %spoiled = spoiled($row);
    for my $role (qw(owner admin member developer viewer)) {
        my $organization = $t->organization($somebody);
        $t->member($organization, $who, $role);
        my $res = $try->($organization);
        if ($may =~ /\b$role\b/) {
            # A right on the object, which no caller has here, is the query's to ask.
            taken $res, "as $role";
            next;
        }
        error_is $res, 403, 'AUTHORIZATION_ERROR', name => "not as $role";
        is $res->json('/error/details/permission'), $row->{may}{name}, '  and for want of what';
        error_is ask($row, $who, @args, %spoiled, organization => $organization), 403, 'AUTHORIZATION_ERROR', name => '  whatever is sent' if %spoiled;
    }
    return;
}

sub deleted ($organization) {
    $t->db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $organization);
    return $organization;
}

# Each way of a choice by itself, each but one member of it, none of them, and the first two at once.
sub check_choice ($row, $who) {
    my ($kind, @ways) = ($row->{choice}{kind}, @{ $row->{choice}{ways} });
    my @all = map { @$_ } @ways;
    my $refused = sub ($res, $name) {
        error_is $res, $row->{invalid}, 'VALIDATION_ERROR', field => qr/\A\Q$ways[0][0]\E\z|\A\Q$ways[1][0]\E\z/, message => qr/\b\Q$ways[0][0]\E\b.*\b\Q$ways[1][0]\E\b/, name => $name;
    };
    my $none = ask($row, $who, without => \@all);
    $kind eq 'most' ? taken($none, 'body: none of the ways') : $refused->($none, 'body: none of the ways');
    for my $nr (0 .. $#ways) {
        my %way = way_of($row, $nr);
        my @others = grep { !exists $way{$_} } @all;
        taken ask($row, $who, way => $nr, body => \%way, without => \@others), "body: @{ $ways[$nr] }";
        next if $kind eq 'most' || @{ $ways[$nr] } < 2;
        $refused->(ask($row, $who, way => $nr, body => \%way, without => [ @others, $_ ]), "body: without $_") for @{ $ways[$nr] };
    }
    my $both = ask($row, $who, way => 1, body => { way_of($row, 0), way_of($row, 1) });
    $kind eq 'any' ? taken($both, 'body: two ways at once') : $refused->($both, 'body: two ways at once');
    return;
}

# ------------------------------------------------------------------ the rows

sub check_row ($row) {
    subtest "$row->{method} $row->{path} ($row->{id})" => sub {
        my $who = caller_of($row);
        for my $version (1 .. $row->{versions}) {
            subtest "version $version: who may call" => sub { check_access($row, version => $version) };
            taken ask($row, $who, version => $version), 'and whoever the row names' if !grep { $_ eq 'accepts' } @{ $row->{flags} };
        }

        for my $field (@{ $row->{query} }) {
            my $name = $field->{name};
            error_is ask($row, $who, without => [$name]), $row->{invalid}, 'VALIDATION_ERROR', field => $name, name => "query: $name left out" if $field->{required};
            taken ask($row, $who, query => { $name => text_of($_->[1]) }), "query: $name takes $_->[0]"
                for grep { defined $_->[1] } edges($field);
            error_is ask($row, $who, query => { $name => $_->[1] }), $row->{invalid}, 'VALIDATION_ERROR', field => $field->{csv} ? qr/\A\Q$name\E(?:\[\d+\])?\z/ : $name, name => "query: $name refuses $_->[0]"
                for bad_texts($field);
        }

        for my $field (@{ $row->{body} }) {
            my $name = $field->{name};
            if ($field->{whole}) {
                taken ask($row, $who, whole => {}), 'body: an object of any members';
                error_is ask($row, $who, whole => $_), 400, 'BAD_REQUEST', name => 'body: nothing else' for [], 'x', 7;
                next;
            }
            my $left_out = ask($row, $who, without => [$name]);
            if   ($field->{required}) { error_is $left_out, $row->{invalid}, 'VALIDATION_ERROR', field => $name, name => "body: $name left out" }
            else                      { taken $left_out, "body: $name may be left out" }
            taken ask($row, $who, body => { $name => $_->[1] }), "body: $name takes $_->[0]" for edges($field);
            error_is ask($row, $who, body => { $name => $_->[1] }), $row->{invalid}, 'VALIDATION_ERROR', field => $name, name => "body: $name refuses $_->[0]"
                for bad_values($field);
        }
        taken ask($row, $who, body => { 'no such field' => 1 }), 'body: an unknown member is ignored' if @{ $row->{body} };
        check_choice($row, $who) if $row->{choice};

        for my $param (grep { $_->{type} eq 'uuid' } @{ $row->{params} }) {
            my $path = path_of($row, 1, $param->{name} =~ /\A(?:org|organization|workspace)_id\z/ ? 'not-an-id' : undef) =~ s/\Q@{[ good($param) ]}\E/not-an-id/r;
            $t->revive($who);
            my %wrong = spoiled($row);
            my %way   = $row->{choice} && $row->{choice}{kind} ne 'most' ? way_of($row, 0) : ();
            my %form  = (type => 'multipart/form-data; boundary=xx', raw => "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nx\r\n--xx--\r\n");
            my %sent  = grep({ $_ eq 'raw' } @{ $row->{flags} }) ? %form : %way ? (json => \%way) : %wrong || !@{ $row->{body} } ? () : (json => {});
            my $res   = $who->request($row->{method}, $path, headers => { headers_of($row) }, %sent);
            if   ($wrong{without}) { is $res->status, $row->{invalid}, "path: $param->{name} that is no UUID is told behind what is wrong with the form" or diag $res->describe }
            else                   { error_is $res, 404, 'NOT_FOUND', name => "path: $param->{name} that is no UUID" }
        }
        $t->revive($who);
        my $slash = $who->request($row->{method}, path_of($row, 1) . '/', headers => { Accept => '*/*', headers_of($row) });
        isnt $slash->status, 405, 'a trailing slash changes nothing';
        if (!@{ $row->{params} }) {
            # A row may say itself that there is nothing: in other words than those for a path that nobody has.
            my $plain = $slash->status == 404 && do { $t->revive($who); $who->request($row->{method}, path_of($row, 1), headers => { Accept => '*/*', headers_of($row) }) };
            ok $slash->status != 404 || $slash->json('/error/message') eq $plain->json('/error/message'), '  not even whether it is there' or diag $slash->describe;
        }
    };
    return;
}

sub check_methods () {
    subtest 'a path has the methods of its rows and no other' => sub {
        my %methods;
        $methods{ $_->{path} }{ $_->{method} } = $_ for rows();
        for my $path (sort { $a cmp $b } keys %{ { map { $_->{path} => 1 } @rows } }) {
            my ($row) = values %{ $methods{$path} };
            my %have  = (%{ $methods{$path} }, OPTIONS => 1);
            $have{HEAD} = 1 if $have{GET};
            $have{PUT} = $have{PATCH} = 1 if $have{PUT} || $have{PATCH};    # a plain update may be sent as either
            my $allow = $t->request('OPTIONS', path_of($row, 1))->header('Allow') // '';
            is_deeply [ sort split /, /, $allow ], [ sort keys %have ], "$path: Allow";
            for my $method (grep { !$have{$_} } qw(GET POST PUT PATCH DELETE)) {
                error_is caller_of($row)->request($method, path_of($row, 1)), 405, 'METHOD_NOT_ALLOWED', name => "$method $path";
            }
        }
    };
    return;
}

# All of it, over the routes of a surface.
sub contract ($surface) {
    @rows = rows(surface => $surface);
    cmp_ok scalar @rows, '>', 2, 'there are rows';
    prepare();
    # What erases its caller comes last: their keys and organizations are gone with them.
    my $ends = sub ($row) { return $row->{id} =~ /\.delete_me\z/ };
    check_row($_) for (grep { !$ends->($_) } @rows), grep { $ends->($_) } @rows;
    check_methods();
    return;
}

1;
