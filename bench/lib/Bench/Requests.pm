# What Ashlar and its peers are asked: users, tokens, files of requests for
# wrk.lua, and the statement that everybody runs.
package Bench::Requests;

use v5.36;
use Digest::SHA qw(hmac_sha256);
use Exporter 'import';
use FindBin;
use lib "$FindBin::Bin/../t/lib";
use Ashlar::Queries;
use MIME::Base64 qw(encode_base64url);
use Bench::Database;
use Bench::Env;

our @EXPORT    = qw($list $secret @people broken_token write_targets write_statements);
our @EXPORT_OK = qw(token);

our $list   = '/api/v1/app/projects?skip=0&limit=20';
our $secret = join '', map { ('a' .. 'z', 0 .. 9)[ rand 36 ] } 1 .. 48;
our @people;    # of each user: public_id, id, email, session, project (one of theirs), token

sub token ($person) {
    my $now    = int time;
    my %claims = (
        iss   => 'ashlar',
        aud   => 'ashlar',
        sub   => $person->{public_id},
        sid   => $person->{session},
        tid   => $tenant,
        role  => 'user',
        email => $person->{email},
        uid   => $person->{id},          # for the bare peers, which do not look the user up
        iat   => $now,
        exp   => $now + 86400,
    );
    my $head = { alg => 'HS256', typ => 'JWT' };
    my $text = join '.', map { encode_base64url($json->encode($_)) } $head, \%claims;
    return "$text." . encode_base64url(hmac_sha256($text, $secret));
}

# A token of this user whose signature is wrong.
sub broken_token ($person) { return substr($person->{token}, 0, -4) . 'AAAA' }

# Lines of method, path, token, further headers and body, in $tmp/<name>.tsv.
sub write_targets {
    my $rows = psql('bench', '-c', <<'SQL');
SELECT u.public_id, u.id, u.email, s.id, (SELECT min(p.id::text) FROM projects p WHERE p.owner_id = u.id)
FROM users u JOIN sessions s ON s.user_id = u.id
WHERE u.email LIKE 'bench%'
ORDER BY u.email
SQL
    for my $row (split /\n/, $rows) {
        my %person;
        @person{qw(public_id id email session project)} = split /\|/, $row;
        $person{token} = token(\%person);
        push @people, \%person;
    }
    die 'there are ' . @people . " users, not $users\n" if @people != $users;

    my $one   = '/api/v1/app/projects';
    my $write = sub ($name, $method, $path, $token, $body) {
        spew("$tmp/$name.tsv", join '', map { join("\t", $method, $path->($_), $token->($_), '', $body) . "\n" } @people);
    };
    my $page = sub ($person) { return $list };
    my $its  = sub ($person) { return "$one/$person->{project}" };
    my $own  = sub ($person) { return $person->{token} };
    $write->('list',    'GET',   $page, $own,           '');
    $write->('get',     'GET',   $its,  $own,           '');
    $write->('patch',   'PATCH', $its,  $own,           '{"description":"set by the benchmark"}');
    $write->('refusal', 'GET',   $page, \&broken_token, '');
    $write->('health', 'GET', sub { return '/api/v1/public/health' }, sub { return '' }, '');
    return;
}

# Replace :name in SQL by what place returns for it; casts and literals stay.
sub with_names ($text, $place) {
    return $text =~ s/('(?:[^']|'')*')|(::)|:([a-z_]+)/$1 || $2 || $place->($3)/ger;
}

# As tools/queries compiles it: text with $1, $2, … and the names of the
# parameters.  settings are names that are no parameters, and what stands there.
sub compile ($text, %settings) {
    my @params;
    my $place = sub ($name) {
        return $settings{$name} if $settings{$name};
        my ($at) = grep { $params[$_] eq $name } 0 .. $#params;
        if (!defined $at) {
            push @params, $name;
            $at = $#params;
        }
        return '$' . ($at + 1);
    };
    return { text => with_names($text, $place), params => \@params };
}

sub php_quoted ($text) { return q{'} . $text =~ s/(['\\])/\\$1/gr . q{'} }

# One of the project's queries, with :name for its parameters.
sub named ($file, $name) {
    my ($text, @names) = Ashlar::Queries::statement(Ashlar::Queries->load("$root/sql/queries/$file")->get($name));
    return $text =~ s/\$(\d)/:$names[$1 - 1]/gr;
}

# What a service without policies and functions does to consume tokens: the same two rows, in one statement.
my $bare_consume = <<'SQL';
WITH w AS (
    UPDATE wallets SET balance = balance - :amount::bigint, lifetime_consumed = lifetime_consumed + :amount::bigint, updated_at = now()
    WHERE tenant_id = :tenant_id::uuid AND owner_id = :user_id::uuid AND unit = 'tokens' AND balance >= :amount::bigint
    RETURNING id, balance, lifetime_consumed
)
INSERT INTO wallet_transactions AS t (tenant_id, wallet_id, type, amount, balance_after, action, reference_id, metadata, consumed_after)
SELECT :tenant_id::uuid, w.id, 'consume', -:amount::bigint, w.balance, :action::text, :reference_id::text, coalesce(:metadata::jsonb, '{}'), w.lifetime_consumed
FROM w
RETURNING t.number AS transaction_id, -t.amount AS consumed, t.balance_after AS balance, t.action, t.reference_id, :company_id::bigint AS company_id
SQL

# The statement is project_list of sql/queries/work/projects.sql.  The bare form
# binds the user and the tenant where the guaranteed form reads them from the
# transaction's settings; not a word differs otherwise.
sub write_statements {
    my %settings = (tenant_id => '(SELECT app_tenant())', user_id => '(SELECT app_user())');
    my $text = named('work/projects.sql', 'project_list');
    for my $name (keys %settings) { $text =~ s/\Q$settings{$name}\E/:$name/g }
    # tenant, issuer, subject, session, min_role, read_only; all that is not about a bearer token is left out.
    my $enter = q{SELECT enter_user($1::uuid, NULL, NULL, $2, $3, NULL, $4::uuid, NULL, $5, CASE WHEN NOT $6::boolean THEN '{}'::jsonb END)};
    my %statements = (
        bare               => compile($text),
        guaranteed         => compile($text, %settings),
        bare_consume       => compile($bare_consume),
        guaranteed_consume => compile(named('billing/wallets.sql', 'token_consume')),
        enter              => { text => $enter, params => [] },
    );
    spew("$tmp/statements.json", $json->encode(\%statements));

    my $php = "<?php\nreturn [\n";
    for my $name (sort keys %statements) {
        my $params = join ', ', map { php_quoted($_) } @{ $statements{$name}{params} };
        $php .= "\t'$name' => ['text' => " . php_quoted($statements{$name}{text}) . ", 'params' => [$params]],\n";
    }
    spew("$tmp/statements.php", "$php];\n");

    # pgbench has variables of that form too, one statement a line.
    my %page = (skip => 0, limit => 20);
    my $bare = with_names($text, sub ($name) { return $page{$name} // ":$name" });
    my $ours = with_names($text, sub ($name) { return $page{$name} // $settings{$name} });
    spew("$tmp/bare.sql", "$bare;\n");
    spew("$tmp/guaranteed.sql", <<"PGBENCH");
\\startpipeline
SELECT enter_user(:tenant_id::uuid, NULL, NULL, 'ashlar', :subject, NULL, :session::uuid, NULL, 'user', NULL);
$ours;
\\endpipeline
PGBENCH
    return;
}

1;
