use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Receiver;
use Cpanel::JSON::XS ();
use IO::Uncompress::Unzip qw($UnzipError);

# Erasing an account: whose it is to do, what becomes of what others have, and that nothing of the person stays anywhere.
my $hooks = Ashlar::Receiver->start;
my $t     = Api->start(main => 4, HTTP_ALLOW_PRIVATE => $hooks->address, WEBHOOK_ALLOW_HTTP => 'true');
my $db    = $t->db;
my $admin = $t->user('chief', role => 'superadmin');
my $tenant = $admin->tenant_id;

sub number ($who) { return scalar $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }
sub gone ($who) { return scalar $db->selectrow_array('SELECT (deleted_at IS NOT NULL)::int FROM users WHERE id = ?', undef, $who->uuid) }
sub role ($organization, $who) { return scalar $db->selectrow_array('SELECT role FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $organization, $who->uuid) // 'none' }
sub ended ($organization) { return scalar $db->selectrow_array('SELECT (deleted_at IS NOT NULL)::int FROM organizations WHERE id = ?', undef, $organization) }

subtest 'each foreign key to users has its line in erasures()' => sub {
    my @keys = sort @{ $db->selectcol_arrayref(<<~'END') };
        SELECT DISTINCT conrelid::regclass || '.' || a.attname
        FROM pg_constraint c, unnest(conkey) k (n) JOIN pg_attribute a ON a.attnum = k.n
        WHERE contype = 'f' AND confrelid = 'users'::regclass AND conparentid = 0 AND a.attrelid = conrelid AND a.attname LIKE '%\_id' AND a.attname <> 'tenant_id'
           OR contype = 'f' AND confrelid = 'users'::regclass AND conparentid = 0 AND a.attrelid = conrelid AND a.attname = 'invited_by'
        END
    cmp_ok scalar(@keys), '>=', 34, scalar(@keys) . ' of them';
    my %line = map { $_ => 1 } @{ $db->selectcol_arrayref(q{SELECT tbl || '.' || col FROM erasures()}) };
    is_deeply [ grep { !$line{$_} && $_ ne 'user_accounts.user_id' } @keys ], [], 'each is there';
    is $db->selectrow_array(q{SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass AND conparentid = 0}), scalar(@keys), 'and each key has a column of that name';
    # A column that names a user without a foreign key, too.
    my @others = @{ $db->selectcol_arrayref(<<~'END') };
        SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace AND a.attname = 'user_id' AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped ORDER BY 1
        END
    is_deeply [ grep { !$line{$_} } @others ], [], 'each column user_id is there';
};

subtest 'whose it is to do' => sub {
    my $ann   = $t->user('ann');
    my $boss  = $t->user('boss', role => 'admin');
    my $key   = $t->client(key => $t->key(secret => 1));
    my $other = $t->user('other', role => 'superadmin', tenant => 'other');
    my $n     = number($ann);
    error_is $t->client->delete('/api/users/me'), 401, 'AUTHENTICATION_ERROR', name => 'nobody';
    error_is $t->client->delete("/api/users/$n"), 401, 'AUTHENTICATION_ERROR';
    error_is $key->delete('/api/users/me'), 401, 'AUTHENTICATION_ERROR', name => 'a key has no account';
    like $key->delete("/api/users/$n")->status, qr/^40[13]$/, 'and erases nobody';
    my $org  = $t->organization($ann);
    my $hers = $ann->post("/api/organizations/$org/api-keys", { name => 'Hers', scopes => ['*'] });
    status_is $hers, 201;
    $hers = $hers->json('/data/key') // $hers->json('/data/secret');
    $t->keep_secret($hers);
    for my $with ({ 'X-API-Key' => $hers }, { Authorization => "Bearer $hers" }) {
        status_is $t->client->get('/api/users', headers => $with), 200, 'a key of hers acts for her';
        error_is $t->client->delete('/api/users/me', headers => $with), 401, 'AUTHENTICATION_ERROR', name => '  but does not erase her';
        error_is $t->client->delete("/api/users/$n", headers => $with), 403, 'AUTHORIZATION_ERROR', name => '  nor anybody';
    }
    for my $role (qw(user editor viewer builder agent demo)) {
        error_is $t->user("a-$role", role => $role)->delete("/api/users/$n"), 403, 'AUTHORIZATION_ERROR', name => $role;
    }
    error_is $other->delete("/api/users/$n"), 404, 'NOT_FOUND', name => 'another tenant\'s administrator finds nobody';
    error_is $_->delete('/api/users/me'), 403, 'AUTHORIZATION_ERROR', name => 'an administrator does not erase themself' for $admin, $boss;
    error_is $admin->delete('/api/users/' . number($admin)), 403, 'AUTHORIZATION_ERROR', name => 'nor by number';
    error_is $boss->delete('/api/users/' . number($admin)), 403, 'AUTHORIZATION_ERROR', name => 'an admin no superadmin';
    error_is $admin->delete('/api/users/999999999'), 404, 'NOT_FOUND', name => 'nobody of that number';
    error_is $admin->delete('/api/users/x'), 400, 'VALIDATION_ERROR', name => 'no number';
    is gone($_), 0, 'nobody is gone' for $ann, $boss, $admin, $other;
    json_is $boss->delete("/api/users/$n"), '', { data => { id => $n, deleted => true }, meta => { message => qr/./ } }, 'an admin erases a user';
    is gone($ann), 1, 'who is gone';
    error_is $ann->get('/api/users'), 401, 'AUTHENTICATION_ERROR', name => 'and signed out';
    error_is $boss->delete("/api/users/$n"), 404, 'NOT_FOUND', name => 'once';
    json_is $admin->delete('/api/users/' . number($boss)), '/data/deleted', true, 'a superadmin erases an admin';
    my $far = $t->user('far', tenant => 'other');
    json_is $admin->delete('/api/users/' . number($far)), '/data/deleted', true, 'who operates the installation one of another tenant';
    is gone($far), 1;
    is $db->selectrow_array(q{SELECT count(*) FROM activity_log WHERE action = 'user.deleted' AND entity_id = ?}, undef, $n), 1, 'it is in the activity log';
};

subtest 'what becomes of organizations' => sub {
    my ($own, $adam, $mel, $vic, $two, $off) = map { $t->user($_) } qw(own adam mel vic two off);
    my ($a, $b, $c, $d, $e) = map { $t->organization($own) } 1 .. 5;
    $t->member($a, $mel, 'member');
    $t->member($a, $adam, 'admin');
    $t->member($b, $vic, 'viewer');
    $t->member($b, $mel, 'member');
    $t->member($d, $two, 'owner');
    $t->member($e, $off, 'admin');
    $db->do('UPDATE users SET is_active = false WHERE id = ?', undef, $off->uuid);
    my ($team) = $db->selectrow_array(q{INSERT INTO tenant_teams (tenant_id, name) VALUES (?, 'Crew') RETURNING id}, undef, $tenant);
    $db->do('INSERT INTO tenant_team_members (tenant_id, team_id, user_id, role) VALUES (?, ?, ?, ?)', undef, $tenant, $team, $_->[0]->uuid, $_->[1]) for [ $own, 'owner' ], [ $mel, 'member' ];
    my $n = number($own);
    json_is $own->delete('/api/users/me'), '', { data => { id => $n, deleted => true }, meta => { message => qr/./ } };
    is role($a, $adam) . ' ' . role($a, $mel), 'owner member', 'the admin owns it now, though the member has been there longer';
    is role($b, $vic) . ' ' . role($b, $mel), 'owner member', 'without one who has been there longest';
    is join(' ', map { ended($_) } $a, $b, $c, $d, $e), '0 0 1 0 1', 'where nobody is left who could, it ends';
    is role($d, $two), 'owner', 'where there is another owner nothing changes';
    is $db->selectrow_array('SELECT count(*) FROM memberships WHERE user_id = ?', undef, $own->uuid), 0, 'they are in none';
    is_deeply $db->selectall_arrayref('SELECT user_id, role FROM tenant_team_members WHERE team_id = ?', undef, $team), [ [ $mel->uuid, 'owner' ] ], 'a team has an owner, too';
};

# Everything that has the word in it, of all tables: what is to be empty in the end.
sub mentions ($word) {
    my @found;
    for my $table (@{ $db->selectcol_arrayref(q{SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1}) }) {
        my ($n) = $db->selectrow_array("SELECT count(*) FROM $table x WHERE x::text ILIKE ?", undef, "%$word%");
        push @found, "$table $n" if $n;
    }
    return join ', ', @found;
}

# A file of a user's, as they upload it; what it is called in the export.
sub put_file ($who, $name, $bytes) {
    my $res = $who->with(key => $t->key)->request(POST => '/api/v1/user/files', type => 'multipart/form-data; boundary=xx',
        raw => join "\r\n", '--xx', qq(Content-Disposition: form-data; name="file"; filename="$name"), 'Content-Type: text/plain', '', $bytes, '--xx--', '');
    status_is $res, 201;
    return 'files/' . $db->selectrow_array('SELECT object_id FROM files WHERE id = ?', undef, $res->json('/file/id')) . '.txt';
}

# What a person is given of theirs, by name.
sub exported ($who) {
    state $worker = $t->start_worker(queues => 'ashlar');
    my $started = $who->post('/api/v1/auth/me/export');
    status_is $started, 201;
    my $export;
    eventually { $export = $who->get('/api/v1/auth/me/export')->json; $export->{status} ne 'queued' } 20, 'it is made';
    is $export->{status}, 'completed' or diag $export->{error_message};
    $t->keep_secret($export->{download_url} =~ /token=([^&]+)/);
    my $res = $t->client->get($export->{download_url} =~ s{\Ahttps://[^/]+}{}r);
    status_is $res, 200;
    return unzipped($res->body);
}

sub unzipped ($bytes) {
    my $zip = IO::Uncompress::Unzip->new(\$bytes) or die $UnzipError;
    my %files;
    do { local $/ = undef; my $name = $zip->getHeaderInfo->{Name}; $files{$name} = <$zip> } while $zip->nextStream > 0;
    return \%files;
}

subtest 'what is a person\'s, as a file' => sub {
    my ($ann, $bob) = map { $t->user("x-$_", columns => { email => "x-$_\@example.com", password_hash => "\$scrypt\$ln=14,r=8,p=5\$$_\$$_" }) } qw(ann bob);
    my $url = '/api/v1/auth/me/export';
    error_is $t->client->post($url), 401, 'AUTHENTICATION_ERROR', name => 'nobody';
    error_is $ann->get($url), 404, 'NOT_FOUND', name => 'before it is asked for';
    status_is $bob->post('/api/v1/app/projects', { name => 'Of Bob alone' }), 201;
    my $zip = exported($ann);
    like $zip->{'account.json'}, qr/x-ann\@example\.com/, 'all of hers';
    unlike join(' ', values %$zip), qr/x-bob|Of Bob|\$scrypt\$/, '  and nothing of anybody else, nor her password';
    error_is $ann->post($url), 429, 'RATE_LIMIT_EXCEEDED', message => qr/\Ait is made once a day: the next one from 20/, name => 'once a day';
    my $shown = $ann->get($url);
    json_is $shown, '', { id => $UUID, status => 'completed', file_size => qr/\A\d+\z/, download_url => qr/./, link_expires_at => $TIME, error_message => undef, created_at => $TIME, completed_at => $TIME, expires_at => $TIME };
    $t->keep_secret($shown->json('/download_url') =~ /token=([^&]+)/);
    error_is $bob->get($url), 404, 'NOT_FOUND', name => 'another user has none';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'user.export' AND actor_id = ? AND resource_id = actor_id}, undef, $ann->id), 1, 'it is put down';
    my ($object) = $db->selectrow_array('SELECT object_id FROM account_exports WHERE user_id = ?', undef, $ann->uuid);
    $db->do(q{UPDATE account_exports SET expires_at = now() WHERE user_id = ?}, undef, $ann->uuid);
    json_is $ann->get($url), '/download_url', undef, 'after a day there is no link';
    is $db->selectrow_array('SELECT account_exports_tend(10)'), 1, '  and the file is given up';
    is $db->selectrow_array('SELECT state FROM stored_objects WHERE id = ?', undef, $object) // 'gone', 'gone';
    $db->do(q{UPDATE account_exports SET created_at = now() - interval '25 hours' WHERE user_id = ?}, undef, $ann->uuid);
    ok exported($ann)->{'account_exports.json'}, 'the next day there is another';
    status_is $ann->delete('/api/users/me'), 200;
    is $db->selectrow_array('SELECT count(*) FROM account_exports WHERE user_id = ?', undef, $ann->uuid), 0, 'it goes with the account';
    is $db->selectrow_array(q{SELECT count(*) FROM stored_objects WHERE content_type = 'application/zip' AND state <> 'gone'}), 0, '  and so does the file';
    is_deeply $db->selectcol_arrayref('SELECT tbl FROM erasures() WHERE exported_as IS NULL'), [], 'each line of erasures() is exported';
};

subtest 'nothing of the person stays' => sub {
    my $word  = 'zanzibarmarker';
    my $email = "$word\@example.com";
    my $friend = $t->user('friend');
    my $org    = $t->organization($friend);
    $friend->post('/api/v1/webhooks', { name => 'all', url => $hooks->url('/all'), events => ['*'] }, headers => { 'X-Workspace-Id' => $org });
    my $who = $t->user('zoe', columns => { email => "$word\@example.com", full_name => "Zoe $word", avatar_url => "https://example.com/$word.png" });
    my %agent = (headers => { 'User-Agent' => "Browser-$word/1" });
    my %in    = (headers => { 'User-Agent' => "Browser-$word/1", 'X-Workspace-Id' => $org });
    $t->member($org, $who, 'member');
    # What a person says and does.
    status_is $who->post('/api/v1/app/projects', { name => "Project of $word", description => $word }, headers => { 'Idempotency-Key' => 'once-1', 'User-Agent' => "Browser-$word/1" }), 201;
    $db->do(q{UPDATE user_accounts SET username = ? WHERE user_id = ?}, undef, $word, $who->uuid);
    status_is $who->post('/api/v1/goals', { title => 'A goal of all' }, %in), 201;
    status_is $who->post('/api/organizations', { name => "Lone $word" }, %agent), 201 for 1;
    $who->post('/api/v1/auth/forgot-password', { email => $email }, %agent);
    $friend->post('/api/organizations/' . $t->organization($friend) . '/invites', { email => $email, role => 'viewer' });
    $db->do($_->[0], undef, @$_[ 1 .. $#$_ ]) for
        [ q{SELECT set_config('app.tenant_id', ?, false)}, $tenant ],
        [ q{INSERT INTO user_settings (tenant_id, user_id, settings) VALUES (?, ?, ?)}, $tenant, $who->uuid, qq({"note": "$word"}) ],
        [ q{INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (?, 'https://id.example', ?, ?)}, $tenant, $word, $who->uuid ],
        [ q{INSERT INTO identity_profiles (tenant_id, issuer, subject, version, version_event, email, full_name) VALUES (?, 'https://id.example', ?, now(), 'e', ?, ?)}, $tenant, $word, "$word\@id.example", $word ],
        [ q{INSERT INTO passkeys (tenant_id, user_id, name, credential_id, public_key, rp_id) SELECT ?, ?, ?, '\x01', '\x02', 'x'}, $tenant, $who->uuid, "Key of $word" ],
        [ q{INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, data, expires_at) VALUES (?, 'reset_password', ?, sha256('x'), ?, now() + interval '1 hour')}, $tenant, $who->uuid, qq({"email": "$word"}) ],
        [ q{INSERT INTO idempotency_keys (tenant_id, principal, route, key, body_hash, status, headers, body) VALUES (?, 'address 192.0.2.1', 'r', 'k', sha256('y'), 200, '', ?)}, $tenant, $email ],
        [ q{INSERT INTO contact_submissions (tenant_id, reference_id, name, email, subject, message) VALUES (?, 'CNT-0DE4ABCD', ?, ?, 's', ?)}, $tenant, $word, $email, $word ],
        [ q{INSERT INTO jobs (tenant_id, kind, payload, run_at) VALUES (?, 'mail', ?, now() + interval '1 day')}, $tenant, qq({"to": "$email", "template": "x"}) ],
        [ q{SELECT wallet_credit(?::uuid, 'tokens', 'bonus', 10, NULL, ?, ?)}, $who->uuid, "ref $word", qq({"of": "$word"}) ],
        [ q{SELECT audit('user.note', 'user', ?, ?, ?)}, $who->id, qq({"said": "$word"}), $who->id ];
    my $before = mentions($word);
    for my $table (qw(users sessions projects idempotency_keys jobs activities webhook_messages audit_events user_settings identities passkeys one_time_tokens invitations member_profiles wallet_transactions)) {
        like $before, qr/\b$table \d/, "$table has it" if $table !~ /^(?:sessions|webhook_messages)$/;
    }

    # Whatever is erased is exported, and the reverse.
    my $path = put_file($who, "Log of $word.txt", "The log of $word");
    my $zip  = exported($who);
    my $line = $db->selectall_hashref('SELECT tbl, col, exported_as FROM erasures()', [qw(tbl col)]);
    my %name = map { my $table = $_; map { $_->{exported_as} => $table } values %{ $line->{$table} } } keys %$line;
    # What is on its way, or was kept for a while, is a copy of what is exported, and gone by itself.
    my %copy = map { $_ => 1 } qw(activities activity_log audit_heads idempotency_keys jobs rate_limits realtime_messages webhook_events webhook_messages webhook_attempts);
    my %has;
    $has{ $name{ s/\.json\z//r } // $_ } = 1 for grep { $zip->{$_} =~ /$word/ } keys %$zip;
    is_deeply [ grep { !$has{$_} } map { / (\d+)/; s/ .*//r } split(/, /, mentions($word)) ], [ grep { $copy{$_} } map { s/ .*//r } split(/, /, mentions($word)) ], 'of all that has the word, all is exported but copies';
    is_deeply [ grep { !m{\Afiles/} && !$name{ s/\.json\z//r } } keys %$zip ], [], 'each file of it is of a line of erasures()';
    is $zip->{$path}, "The log of $word", 'a file is there as it is';
    is_deeply [ grep { ref Cpanel::JSON::XS->new->utf8->decode($zip->{$_}) ne 'ARRAY' } grep { /\.json\z/ } keys %$zip ], [], 'all else is JSON';
    unlike join(' ', values %$zip), qr/\$scrypt\$|"(?:\w*_)?(?:hash|sealed|secret|token)":/, 'nothing that lets in is in it';
    status_is $who->delete('/api/users/me', %agent), 200;
    is mentions($word), '', 'no table has it any more';
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $tenant);
    is_deeply $db->selectall_arrayref('SELECT * FROM audit_verify(?)', undef, $tenant), [], 'and the audit chain holds';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'user.delete' AND resource_id = ?}, undef, $who->id), 1, 'in which it stands that somebody was erased';
    my ($log) = grep { /$word/ } map { $_->{raw} // join ' ', map { $_ // '' } values %$_ } $t->log;
    is $log, undef, 'nor has the log';
    status_is $t->post('/api/v1/auth/register', { email => $email, password => 'A long pass phrase of 2026', display_name => 'Again' }), 201, 'and the address is free';
};

subtest 'who has a longer address keeps what is theirs' => sub {
    my ($ann, $joann, $other) = map { $t->user($_->[0], columns => { email => $_->[1] }) } [ 'ann-x', 'ann+x@twin.example' ], [ 'joann-x', 'joann+x@twin.example' ], [ 'ann-y', 'ann+x@twin.example.org' ];
    $db->do(q{INSERT INTO jobs (tenant_id, kind, payload, run_at) VALUES (?, 'mail', ?, now() + interval '1 day')}, undef, $tenant, qq({"to": "Her <$_>"}))
        for 'ann+x@twin.example', 'Ann+X@Twin.example', 'joann+x@twin.example', 'ann+x@twin.example.org', 'annxx@twin.example';
    status_is $ann->delete('/api/users/me'), 200;
    is_deeply $db->selectcol_arrayref(q{SELECT payload ->> 'to' FROM jobs WHERE kind = 'mail' AND payload ->> 'to' ILIKE '%twin.example%' ORDER BY 1}),
        [ 'Her <ann+x@twin.example.org>', 'Her <annxx@twin.example>', 'Her <joann+x@twin.example>' ], 'only mails to the address itself are gone';
};
