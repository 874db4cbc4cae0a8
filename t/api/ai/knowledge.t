use v5.36;
use utf8;
use lib 't/lib';
use Api;
use Ashlar::Models;
use Compress::Zlib ();

my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings, worker => 1, slow => 3);
$t->keep_secret($_) for $models->secrets;
my $key    = $t->key;
my $ann    = $t->user('ann')->with(key => $key);
my $olive  = $t->team('olive', role => 'owner');
my $theirs = $t->team('tom',   role => 'owner', tenant => 'other');
my $team   = '/api/v1/dashboard/agents';
my $nobody = '00000000-0000-7000-8000-00000000dead';
my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, limits) VALUES (?, 'Chatty', '{"messages": 1000}') RETURNING id}, undef, $ann->tenant_id);
$t->db->do('UPDATE users SET current_plan_id = ? WHERE id = ?', undef, $plan, $ann->uuid);

sub file ($content, %arg) {
    my ($who, $name, $type) = ($arg{who} // $olive, $arg{name} // 'a.txt', $arg{type} // 'text/plain');
    utf8::encode($content) if !$arg{is_bytes};
    my $form = join "\r\n", '--xx', qq(Content-Disposition: form-data; name="file"; filename="$name"), "Content-Type: $type", '', $content, '--xx--', '';
    my $res  = $who->request(POST => '/api/v1/dashboard/files', raw => $form, type => 'multipart/form-data; boundary=xx');
    status_is $res, 201, "$name is uploaded";
    return $res->json('/file/id') // $res->json('/id');
}

# A document of one page; its content is packed.
sub pdf ($content, $more = '') {
    my $packed  = Compress::Zlib::compress($content);
    my @objects = (
        '<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
        '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F 5 0 R >> >> /Contents 4 0 R >>',
        '<< /Filter /FlateDecode /Length ' . length($packed) . " >>\nstream\n$packed\nendstream",
        '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    );
    my ($out, @at) = ("%PDF-1.4\n");
    for my $n (1 .. @objects) { push @at, length $out; $out .= "$n 0 obj\n$objects[$n - 1]\nendobj\n" }
    return $out . sprintf "xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R $more >>\nstartxref\n%d\n%%%%EOF\n", join('', map { sprintf "%010d 00000 n \n", $_ } @at), length $out;
}
sub knows (@files) { return (rag_provider => 'GOOGLE_FILE_SEARCH', rag_config => { file_ids => \@files }) }
sub made (%body) { return $olive->post($team, { name => 'Agent', system_prompt => 'You help.', available_to_end_users => true, %body }) }
sub state_of ($file) { return $t->db->selectrow_array('SELECT t.state, t.reason, t.language::text FROM file_texts t JOIN files f ON f.object_id = t.object_id WHERE f.id = ?', undef, $file) }
sub read_by ($file) { eventually { ((state_of($file))[0] // '') ne 'wanted' } 20, 'the job has read it'; return state_of($file) }
sub ask ($agent, $body) { return $ann->post("/api/v1/user/agents/$agent/chat", $body) }
sub told () { return map { $_->{content} } grep { $_->{role} eq 'system' } @{ ($models->requests('openai'))[-1]{body}{messages} } }

my $tides   = "The harbour.\n\nHigh water is at twenty past two in the afternoon, and the pilot boards at the third buoy.\n\n" . join "\n\n", map { "Paragraph $_ is about ropes and the painting of boats, and of nothing else that anybody wants to know." } 1 .. 60;
my $english = file($tides, name => 'tides.txt');
my $german  = file("# Gebühren\n\nDie Liegegebühren sind für Gäste, die länger als eine Woche im Hafen bleiben, um ein Viertel ermäßigt.\n\nDer Hafenmeister ist der, der das entscheidet.", name => 'gebuehren.md', type => 'text/markdown');
my $page    = file('<html><head><title>Ropes</title><script>steal()</script></head><body><h1>Knots</h1><p>A bowline does not slip.</p></body></html>', name => 'knots.html', type => 'text/html');
my %pdf     = (type => 'application/pdf', is_bytes => 1);
my $paper   = file(pdf("BT /F 12 Tf 72 700 Td (Der Liegeplatz f\\374r G\\344ste ist am Nordkai.) Tj ET"), name => 'plan.pdf', %pdf);
my $locked  = file(pdf('', "/ID [(0123456789abcdef) (0123456789abcdef)] /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O (${\('o' x 32)}) /U (${\('u' x 32)}) >>"), name => 'locked.pdf', %pdf);
my $picture = file("\x{1}\x{2}\x{3}", name => 'boat.bin', type => 'application/octet-stream');
my $foreign = file('not yours', who => $theirs);

subtest 'an agent knows files of the tenant, and no others' => sub {
    error_is made(knows($_)), 422, 'VALIDATION_ERROR', field => 'rag_config.file_ids', message => qr/no file of the tenant/ for $nobody, $foreign;
    error_is made(knows()), 422, 'VALIDATION_ERROR', field => 'rag_config';
    error_is made(knows('x')), 422, 'VALIDATION_ERROR', field => 'rag_config.file_ids[0]';
    error_is made(knows(($english) x 21)), 422, 'VALIDATION_ERROR', field => 'rag_config.file_ids';
    is $t->db->selectrow_array('SELECT count(*) FROM file_texts'), 0, 'and nothing is read for that';
};

my $agent = made(knows($english, $german, $page, $picture, $paper, $locked))->json('/id');

subtest 'what is written in them is read by a job, once' => sub {
    is_deeply [ read_by($english) ], [ 'ready', undef, 'english' ];
    is_deeply [ read_by($german) ], [ 'ready', undef, 'german' ], 'each in its language';
    is_deeply [ read_by($picture) ], [ 'failed', 'no text can be read of files of this type', 'simple' ], 'or there is a reason';
    is((read_by($page))[0], 'ready');
    my ($knots) = $t->db->selectrow_array('SELECT content FROM file_passages p JOIN files f USING (object_id) WHERE f.id = ?', undef, $page);
    like $knots, qr/Ropes\s+Knots\s+A bowline does not slip\./, 'of a page what a reader sees';
    unlike $knots, qr/steal|</, '  and nothing else';
    is((read_by($paper))[0], 'ready');
    is $t->db->selectrow_array('SELECT content FROM file_passages p JOIN files f USING (object_id) WHERE f.id = ?', undef, $paper), 'Der Liegeplatz für Gäste ist am Nordkai.', 'of a PDF its pages';
    is_deeply [ (read_by($locked))[ 0, 1 ] ], [ 'failed', 'the file is encrypted' ], 'of which one may be locked';
    my @passages = @{ $t->db->selectall_arrayref('SELECT position, starts_at, length(content) AS n, content FROM file_passages p JOIN files f USING (object_id) WHERE f.id = ? ORDER BY position', { Slice => {} }, $english) };
    cmp_ok scalar @passages, '>=', 3, 'in passages';
    is_deeply [ map { $_->{position} } @passages ], [ 0 .. $#passages ];
    cmp_ok $_->{n}, '<=', 2000 for @passages;
    is substr($tides, $_->{starts_at}) =~ s/\A\s+//r =~ /\A\Q$_->{content}\E/ ? 1 : 0, 1, 'that stand where they say' for @passages;
    is join('', map { $_->{content} } @passages) =~ s/\s+//gr, $tides =~ s/\s+//gr, 'and nothing is left out';
    like $_->{content}, qr/\.\z/, 'whole paragraphs' for @passages;
    my $jobs = sub { $t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'file.text'}) };
    my $before = $jobs->();
    my $another = made(knows($english))->json('/id');
    is $jobs->(), $before, 'another agent has it read no more';
    made(knows($picture));
    is $jobs->(), $before + 1, 'what failed is tried again';
    $olive->delete("$team/$another");
    is((read_by($picture))[0], 'failed');
};

subtest 'what fits a question is told to the model' => sub {
    $models->answer(openai => { text => ['At 14:20.'] });
    my $res = ask($agent, { input => 'When is the water highest in the afternoon?' });
    my ($prompt, $knowledge) = told();
    is $prompt, 'You help.';
    like $knowledge, qr/^\[tides\.txt\]\nThe harbour\..*High water is at twenty past two/ms, 'with the name of the file';
    my ($boundary) = $knowledge =~ /boundary (\w{24})\./;
    is scalar(() = $knowledge =~ /^\Q$boundary\E$/mg), 2, 'between boundaries';
    my $passages = $res->json('/execution_metadata/passages');
    is $passages->[0]{file_id}, $english;
    is $passages->[0]{position}, 0;
    like $passages->[0]{headline}, qr/High water/, 'and the caller is shown what it was';
    ask($agent, { input => 'Wer entscheidet über eine ermäßigte Liegegebühr?' });
    like +(told())[1], qr/\[gebuehren\.md\]\n# Gebühren/, 'in another language, by its own rules';
    isnt +((told())[1] =~ /boundary (\w{24})\./)[0], $boundary, 'the boundary is drawn each time';
    ask($agent, { input => 'zzz qqq' });
    is scalar(told()), 1, 'where nothing fits nothing is told';
    json_is ask($agent, { input => 'High water?', use_rag => false }), '/execution_metadata/passages', [], 'nor where it is not wanted';
    is scalar(told()), 1;
};

subtest 'there are as many as the agent has' => sub {
    $olive->put("$team/$agent", { rag_config => { file_ids => [$english], top_k => 2 } });
    is scalar @{ ask($agent, { input => 'ropes and boats' })->json('/execution_metadata/passages') }, 2;
    $olive->put("$team/$agent", { rag_provider => 'NONE' });
    json_is ask($agent, { input => 'ropes and boats' }), '/execution_metadata/passages', [];
};

subtest 'a file that is deleted is known no more' => sub {
    $olive->put("$team/$agent", { rag_provider => 'GOOGLE_FILE_SEARCH' });
    error_is $olive->delete("/api/v1/dashboard/files/$english"), 409, 'CONFLICT', message => qr/an agent looks things up in this file/;
    $olive->put("$team/$agent", { rag_config => { file_ids => [$german] } });
    my ($object) = $t->db->selectrow_array('SELECT object_id FROM files WHERE id = ?', undef, $english);
    status_is $olive->delete("/api/v1/dashboard/files/$english"), 204, 'agents that are deleted do not keep it';
    json_is ask($agent, { input => 'High water?' }), '/execution_metadata/passages', [];
    eventually { !$t->db->selectrow_array('SELECT count(*) FROM file_passages WHERE object_id = ?', undef, $object) } 20, 'its passages go with it';
};
