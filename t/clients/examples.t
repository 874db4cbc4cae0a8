# Every example of the reference, sent as it is shown to a server as make run makes it: the operation succeeds, or is
# refused with what it says that the example lacks (x-needs).  Before each the data are those of the demo again, so
# none depends on another one.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Ashlar::Run;
use Cpanel::JSON::XS ();
use File::Temp ();
use Test::More;

plan skip_all => 'make run builds the plain program' if $ENV{SAN} || $ENV{COV};

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

# ------------------------------------------------------------------ a server, and its data

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $dir = File::Temp->newdir('/tmp/ashlar-examples-XXXXXX');
my $run = Ashlar::Run->start($dir, DATABASE_URL => $cluster->url($name, 'ashlar'), RATE_LIMIT_DEFAULT => 100_000);
$run->ready or BAIL_OUT($run->said);
my $http = $run->http;
my $db   = $cluster->connect($name);

# What traces are sent with to the demo's project, whose key nobody has.
my $project_key = '6f9619ff-8b86-4d01-b42d-00cf4fc96400';
$db->do('UPDATE trace_projects SET api_key_hash = sha256(?::bytea) WHERE name = ?', undef, $project_key, 'Harbour assistant');

# And the key of the demo's organization, once more with a text that is known and for all that its maker may; and one of an administrator's.
# The administrator has one of their own for it.
$db->do(<<~'END');
    WITH office AS (
        INSERT INTO organizations (tenant_id, name, slug) SELECT u.tenant_id, 'Office', 'office' FROM users u WHERE u.email = 'admin@example.com' RETURNING tenant_id, id
    )
    INSERT INTO memberships (tenant_id, organization_id, user_id, role)
    SELECT o.tenant_id, o.id, u.id, 'owner' FROM office o JOIN users u ON u.tenant_id = o.tenant_id WHERE u.email = 'admin@example.com'
    END
my %organization_key = (demo => 'sk_live_' . 'd' x 40, admin => 'sk_live_' . 'e' x 40);
$db->do(<<~'END', undef, @$_, $organization_key{$_->[0]}) for [ demo => 'demo@example.com' ], [ admin => 'admin@example.com' ];
    WITH made AS (
        INSERT INTO api_keys (tenant_id, organization_id, name, type, prefix, scopes, creator_id, made_by)
        SELECT m.tenant_id, m.organization_id, ?, 'organization', 'sk_live_' || left(u.email, 4), '{*}', u.id, m.id
        FROM users u JOIN memberships m ON m.tenant_id = u.tenant_id AND m.user_id = u.id JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
        WHERE u.email = ? AND (o.slug = 'office' OR o.id IN (SELECT k.organization_id FROM api_keys k WHERE k.name = 'Deployment'))
        RETURNING tenant_id, id
    )
    INSERT INTO api_key_secrets (tenant_id, key_id, hash, place, last_four) SELECT tenant_id, id, sha256(?::bytea), 1, 'dddd' FROM made
    END

# Its tables, each with what brings back the rows of now; one by one, so that nobody waits for two of them, and locked,
# so that who writes meanwhile (the worker) neither puts a row between the two statements nor misses one that it refers to.
my @restore = do {
    $db->do('CREATE SCHEMA demo');
    my $tables = $db->selectall_arrayref(<<~'END');
        SELECT c.relname, string_agg(quote_ident(a.attname), ', ')
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
        GROUP BY c.relname
        ORDER BY c.relname
        END
    $db->do(join ';', map { "CREATE UNLOGGED TABLE demo.$_->[0] AS SELECT $_->[1] FROM public.$_->[0]" } @$tables);
    $db->do('SET session_replication_role = replica');    # no trigger, and no order
    map { my ($table, $columns) = @$_; "LOCK TABLE $table IN EXCLUSIVE MODE; DELETE FROM $table; INSERT INTO $table ($columns) OVERRIDING SYSTEM VALUE SELECT $columns FROM demo.$table" } @$tables;
};

sub restore () {
    $db->do($_) for @restore;
    return;
}

# ------------------------------------------------------------------ an example

my $doc = $http->request('GET', '/openapi.json')->json;

sub resolved ($node) {
    return $node if !$node->{'$ref'};
    my $found = $doc;
    $found = $found->{$_} for split m{/}, substr $node->{'$ref'}, 2;
    return $found;
}

# Who comes, by a way of "security"; what asks for a role, or a permission, is an administrator's.
my %credentials = (
    project => sub ($role) { (Authorization => "Bearer $project_key") },
    bearer => sub ($role) { (Authorization => 'Bearer ' . ($role ? $run->{admin} : $run->{demo})) },
    team   => sub ($role) { (Authorization => "Bearer $run->{team}") },
    apiKey => sub ($role) { ('X-API-Key' => $run->{secret_key}) },
    organizationKey => sub ($role) { ('X-API-Key' => $organization_key{ $role ? 'admin' : 'demo' }) },
);

sub escaped ($text) { return $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger }

# A request: the parameters that have an example, and the body's.
sub send_example ($verb, $path, $op, $way) {
    my (@query, @headers);
    for my $p (map { resolved($_) } @{ $op->{parameters} }) {
        next if !exists $p->{example};
        my $value = escaped(ref $p->{example} ? join ',', @{ $p->{example} } : $p->{example});
        if    ($p->{in} eq 'path')  { $path =~ s/\{\Q$p->{name}\E\}/$value/ }
        elsif ($p->{in} eq 'query') { push @query, "$p->{name}=$value" }
        else                        { push @headers, $p->{name} => $p->{example} }
    }
    $path .= '?' . join '&', @query if @query;
    push @headers, map { $credentials{$_}->($op->{'x-role'}) } sort keys %$way;
    my $media = $op->{requestBody}{content}{'application/json'};
    push @headers, 'Content-Type' => 'application/json' if $media;
    push @headers, Connection => 'Upgrade', Upgrade => 'websocket', 'Sec-WebSocket-Version' => 13, 'Sec-WebSocket-Key' => 'AAAAAAAAAAAAAAAAAAAAAA=='
        if $op->{responses}{101};
    push @headers, Accept => join ', ', map { keys %{ $_->{content} // {} } } grep { $_->{content} } map { resolved($op->{responses}{$_}) } grep { /^2/ } keys %{ $op->{responses} };
    my $is_stream = $op->{responses}{101} || resolved($op->{responses}{200} // {})->{content}{'text/event-stream'};
    return $http->request(uc $verb, $path, headers => \@headers, body => $media ? $json->encode($media->{example}) : undef, head => $is_stream);
}

my $sent = 0;

# Every way in which it may be asked; and what comes of it.
sub asks_as_shown ($verb, $path, $op) {
    my @success = grep { /^[123]/ && $_ != 304 } sort keys %{ $op->{responses} };
    my $needs   = $op->{'x-needs'};
    for my $way (@{ $op->{security} } ? @{ $op->{security} } : {}) {
        my $with = join ' and ', sort keys %$way;
        my $res  = send_example($verb, $path, $op, $way);
        my $code = $res->status >= 400 ? eval { $res->json('/error/code') } // '' : '';
        my $name = "$op->{operationId}: \U$verb\E $path" . ($with ? " with $with" : '');
        $sent++;
        ($needs ? is($code, $needs->{code}, "$name, without $needs->{what}") : ok(scalar(grep { $_ == $res->status } @success), "$name: @success"))
            or diag $res->status, ' ', $res->body, ' ', $res->{error} // '';
        restore() if $verb ne 'get';
    }
    return;
}

subtest 'examples work as they are' => sub {
    for my $path (sort keys %{ $doc->{paths} }) {
        for my $verb (grep { $doc->{paths}{$path}{$_} } qw(get post put patch delete)) { asks_as_shown($verb, $path, $doc->{paths}{$path}{$verb}) }
    }
};

# Text that stands for itself, and lists of nothing.
sub placeholders ($place, $value) {
    return map { placeholders("$place.$_", $value->{$_}) } sort keys %$value if ref $value eq 'HASH';
    return @$value ? map { placeholders("$place\[]", $_) } @$value : "$place is empty" if ref $value eq 'ARRAY';
    return defined $value && $value =~ /\A(?:text|string|)\z/ ? "$place: \"$value\"" : ();
}

subtest 'and say something' => sub {
    for my $path (sort keys %{ $doc->{paths} }) {
        for my $op (map { $doc->{paths}{$path}{$_} } grep { $doc->{paths}{$path}{$_} } qw(get post put patch delete)) {
            my $media = $op->{requestBody}{content}{'application/json'} or next;
            is_deeply [ placeholders('', $media->{example}) ], [], $op->{operationId};
        }
    }
};

subtest 'with no error in a log' => sub {
    # But for what their rows say of themselves (x-needs): the sample's credential is one that no key opens.
    for my $log (glob "$dir/log/{main,slow,hash,realtime}.log") {
        open my $in, '<', $log or die "$log: $!\n";
        is_deeply [ grep { /"level":"(?:error|fatal)"/ && !/"code":"(?:SERVICE_UNAVAILABLE|DECRYPTION_FAILED)"/ } <$in> ], [], $log =~ s{.*/}{}r;
    }
};

done_testing;
