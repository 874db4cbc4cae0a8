use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(from);

# The contact form: what it takes, how often, and what it sets off.  That the
# mails and the webhook arrive is t/clients/mail.t's.
my $form   = '/api/v1/public/contact';
my $status = "$form/status";
my $secret = 'a secret of the CRM';
my $t      = Api->start(
    ADMIN_EMAIL            => 'boss@example.com',
    CONTACT_WEBHOOK_URL    => 'http://127.0.0.1:9/crm',
    CONTACT_WEBHOOK_SECRET => $secret,
    nginx                  => { REAL_IP_FROM => '127.0.0.1' },
    RATE_LIMIT_DEFAULT     => 60,
);
my %good = (name => 'Ada Lovelace', email => 'Ada@Example.com', message => 'Can it weave patterns?');

sub rows  ($table, $where = 'true') { return $t->db->selectall_arrayref("SELECT * FROM $table WHERE $where ORDER BY created_at, id", { Slice => {} }) }
sub count ($table, $where = 'true') { return scalar @{ rows($table, $where) } }

sub payloads ($kind) {
    return map { Cpanel::JSON::XS->new->utf8->decode($_->{payload}) } @{ rows(jobs => "kind = '$kind'") };
}

subtest 'what is wrong is said, kept nowhere, and not counted' => sub {
    my $ann = from($t, '198.51.100.1');
    for my $case ([ name => 'A' ], [ name => 'A' x 101 ], [ email => 'nobody' ], [ message => 'nine char' ], [ message => 'x' x 5001 ],
        [ subject => 'x' x 201 ], [ phone => '1' x 51 ], [ company => 'x' x 201 ], [ source => 'x' x 101 ],
        [ extra_fields => [1] ], [ extra_fields => { map { $_ => 1 } 1 .. 51 } ], [ extra_fields => { a => 'x' x 16_400 } ]) {
        my ($field, $value) = @$case;
        error_is $ann->post($form, { %good, $field => $value }), 422, 'VALIDATION_ERROR', field => $field;
    }
    for my $field (sort keys %good) {
        my %most = %good;
        delete $most{$field};
        error_is $ann->post($form, \%most), 422, 'VALIDATION_ERROR', field => $field;
    }
    is count('contact_submissions') + count('jobs'), 0, 'nothing is kept, nothing is sent';
    json_is $ann->get($status), '/rate_limit/remaining', 5, 'and all five are left';
};

subtest 'a submission gets a reference, and everybody is told' => sub {
    my $ann = from($t, '198.51.100.2');
    my %all = (
        %good,
        subject      => "Patterns\r\nBcc: all\@example.com",
        phone        => '+44 20 7946 0000',
        company      => 'Engines Ltd',
        source       => 'pricing',
        extra_fields => { budget => 1000, tags => ['a'] },
    );
    my $res = $ann->post($form, \%all, headers => { 'Accept-Language' => 'de-AT,de;q=0.9', 'User-Agent' => 'test/1' });
    status_is $res, 200;
    json_is $res, '/success', true;
    my $reference = $res->json('/reference_id');
    like $reference, qr/\ACNT-[0-9A-F]{8}\z/, 'the reference';
    ok length $res->json('/message'), 'and a message for people';
    header_is $res, 'X-RateLimit-Limit', 5;
    header_is $res, 'X-RateLimit-Remaining', 4;
    header_is $res, 'RateLimit-Policy', '"default";q=5;w=3600';

    my ($row) = @{ rows('contact_submissions') };
    is_deeply [ @$row{qw(reference_id name email phone company subject message source ip_address user_agent)} ],
        [ $reference, @all{qw(name)}, 'ada@example.com', @all{qw(phone company subject message source)}, '198.51.100.2', 'test/1' ], 'it is kept';
    is_deeply Cpanel::JSON::XS->new->decode($row->{extra_fields}), $all{extra_fields}, 'with what else the form asked for';

    my ($notify, $confirm) = payloads('mail');
    is_deeply [ @$notify{qw(template to reply_to locale)} ], [ 'contact_notification', 'boss@example.com', 'ada@example.com', 'en' ], 'a mail to whoever runs this, to be answered to the sender';
    is_deeply [ @{ $notify->{data} }{qw(reference_id message company)} ], [ $reference, $all{message}, $all{company} ], '  with what was written';
    is_deeply $confirm, { template => 'contact_confirmation', to => 'ada@example.com', locale => 'de-AT', data => { reference_id => $reference } },
        'a mail to the sender in their language, with nothing that they wrote: the address may be anybody\'s';
    is_deeply [ payloads('contact.webhook') ], [ { reference_id => $reference } ], 'and a webhook';
    is scalar(grep { $_->{to} eq 'boss@example.com' } $t->mails), 1, 'ashlar mails shows them';
};

subtest 'five an hour by address, and the sixth waits' => sub {
    my $bob = from($t, '198.51.100.3');
    $t->db->do('DELETE FROM jobs');
    my %reference;
    for my $n (1 .. 5) {
        my $res = $bob->post($form, \%good);
        status_is $res, 200, "number $n";
        header_is $res, 'X-RateLimit-Remaining', 5 - $n;
        $reference{ $res->json('/reference_id') } = 1;
    }
    is keys %reference, 5, 'each has its own reference';
    my $res = $bob->post($form, \%good);
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED';
    my $wait = $res->header('Retry-After');
    ok $wait > 3500 && $wait <= 3600, 'until the window ends';
    json_is $res, '/error/details/retry_after', 0 + $wait;
    header_is $res, 'X-RateLimit-Remaining', 0;
    is count(contact_submissions => q{ip_address = '198.51.100.3'}), 5, 'five are kept';
    is scalar(payloads('contact.webhook')), 5, 'and five told of';

    my $left = $bob->get($status);
    json_is $left, '/rate_limit/remaining', 0;
    json_is $left, '/available', true;
    ok abs($left->json('/rate_limit/reset') - time - $wait) < 30, 'and when the next may come';
    status_is from($t, '198.51.100.4')->post($form, \%good), 200, 'another address has its own five';
    status_is from($t, '2001:db8:0:7::1')->post($form, \%good), 200, 'of IPv6';
    json_is from($t, '2001:db8:0:7::2')->get($status), '/rate_limit/remaining', 4, '  it is the /64';
    $t->db->do(q{UPDATE rate_limits SET window_ends = now() WHERE name = 'contact'});
    status_is $bob->post($form, \%good), 200, 'in the next window, too';
};

subtest 'an address gets three confirmations a day, whoever enters it' => sub {
    $t->db->do('DELETE FROM jobs');
    status_is from($t, '198.51.100.' . (20 + $_))->post($form, { %good, email => $_ > 2 ? 'Victim@example.com' : 'victim@example.com' }), 200 for 1 .. 5;
    my @mails = payloads('mail');
    is scalar(grep { $_->{template} eq 'contact_confirmation' } @mails), 3, 'three';
    is scalar(grep { $_->{template} eq 'contact_notification' } @mails), 5, 'the notifications go on';
};

subtest 'the status does not count, and has the general budget' => sub {
    my $eve = from($t, '198.51.100.5');
    my $res = $eve->get($status);
    is_deeply [ map { $res->json("/rate_limit/$_") } qw(limit remaining window) ], [ 5, 5, '5/hour' ], 'the budget';
    is_deeply $res->json('/config'), { require_subject => false, require_phone => false, sends_confirmation => true }, 'the settings';
    header_is $res, 'X-RateLimit-Limit', 60;
    $eve->get($status) for 1 .. 59;
    error_is $eve->get($status), 429, 'RATE_LIMIT_EXCEEDED';
    my $sent = $eve->post($form, \%good);
    status_is $sent, 200, 'the form has a budget of its own';
    header_is $sent, 'X-RateLimit-Remaining', 4;
    my $v2 = from($t, '198.51.100.6')->get('/api/v2/public/contact/status');
    json_is $v2, '/data/rate_limit/limit', 5, 'version 2 has its envelope';
    like from($t, '198.51.100.6')->post('/api/v2/public/contact', \%good)->json('/data/reference_id'), qr/\ACNT-/, '  both';
};

subtest 'the field that people do not see gives programs away, and they do not learn of it' => sub {
    my $bot = from($t, '198.51.100.7');
    my ($rows, $jobs) = (count('contact_submissions'), count('jobs'));
    my $res = $bot->post($form, { %good, website => 'https://spam.example' });
    status_is $res, 200;
    is_deeply [ sort keys %{ $res->json } ], [qw(message reference_id success)], 'the usual answer';
    like $res->json('/reference_id'), qr/\ACNT-[0-9A-F]{8}\z/, 'with a reference';
    header_is $res, 'X-RateLimit-Remaining', 4;
    is_deeply [ count('contact_submissions'), count('jobs') ], [ $rows, $jobs ], 'nothing is kept or sent';
    status_is $bot->post($form, { %good, website => $_ }), 200 for '', ' ', undef;
    is count('contact_submissions'), $rows + 3, 'empty it is as people leave it';
};

subtest 'an answer that got lost is given again, and sends nothing twice' => sub {
    my $dan = from($t, '198.51.100.8');
    my @res = map { $dan->post($form, \%good, headers => { 'Idempotency-Key' => 'once' }) } 1, 2;
    is $res[1]->json('/reference_id'), $res[0]->json('/reference_id'), 'the same reference';
    header_is $res[1], 'Idempotent-Replayed', 'true';
    is count(contact_submissions => q{ip_address = '198.51.100.8'}), 1, 'one row';
};

subtest 'as it is configured' => sub {
    my $set = Api->start(main => 1, slow => 0, CONTACT_REQUIRE_SUBJECT => 'true', CONTACT_REQUIRE_PHONE => 'true', CONTACT_SEND_CONFIRMATION => 'false', CONTACT_RATE_LIMIT => '2/day');
    error_is $set->post($form, { %good, phone   => '1' }), 422, 'VALIDATION_ERROR', field => 'subject';
    error_is $set->post($form, { %good, subject => ' ', phone => '1' }), 422, 'VALIDATION_ERROR', field => 'subject';
    error_is $set->post($form, { %good, subject => 'x' }), 422, 'VALIDATION_ERROR', field => 'phone';
    status_is $set->post($form, { %good, subject => 'x', phone => '1' }), 200;
    is $set->db->selectrow_array('SELECT count(*) FROM jobs'), 0, 'nobody is mailed, nothing posted';
    my $res = $set->get($status);
    is_deeply $res->json('/config'), { require_subject => true, require_phone => true, sends_confirmation => false }, 'the status says so';
    is_deeply [ map { $res->json("/rate_limit/$_") } qw(limit remaining window) ], [ 2, 1, '2/day' ], '  all of it';
    my $closed = Api->start(main => 1, slow => 0, CONTACT_ENABLED => 'false');
    error_is $closed->post($form, \%good), 503, 'SERVICE_UNAVAILABLE';
    json_is $closed->get($status), '/available', false, 'closed';
};
