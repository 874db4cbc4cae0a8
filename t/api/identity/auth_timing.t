# No client learns from the clock, or from a byte, which addresses are known.
#
# Of the quarter of a second that a sign-in takes nearly all is scrypt's.  How
# often it is called, and with which parameters, is counted, which proves equal
# work better than a clock.  The rest is timed with a scrypt that takes no time
# (t/lib/quick_scrypt.c), so that a query more for known addresses shows, which
# the quarter of a second would hide: see Ashlar::Timing for what is compared,
# and how seldom it fails by chance (three times in a million runs of this file).

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::SignIn qw(@BEHIND_PROXY $PASSWORD sign_in set_tenant);
use Ashlar::Timing 'take_as_long';

my $PAIRS = 100;            # at most
my $ONCE  = '16384 8 5';    # N, r and p of a password, once hashed

my $t = Api->start(@BEHIND_PROXY);
sign_in($t, 'first@example.com');
set_tenant($t, undef, email_verification_required => 1);
# Accounts that differ in the address alone: one for each pair, because accounts are counted.
$t->db->do(q{INSERT INTO users (tenant_id, public_id, email, password_hash)
    SELECT tenant_id, 'known_' || i, 'known' || i || '@example.com', password_hash FROM users, generate_series(0, ?) i
    WHERE email = 'first@example.com'}, undef, $PAIRS);
$t->db->do('ANALYZE');

# What an answer tells: status, headers and body, but for what is each request's own.
sub telling ($res) {
    return join "\n", $res->status, (map { "$_: " . join ', ', $res->header($_) } qw(Content-Type Content-Length Cache-Control Vary Retry-After)), $res->body;
}

# The accounts that are asked for, or that of nobody here, get another hash: what a product before us has made.
sub import_hash ($who) {
    my ($own) = $t->db->selectrow_array(q{SELECT password_hash FROM users WHERE password_hash LIKE '$scrypt$%' LIMIT 1});
    $t->db->do(q{UPDATE users SET password_hash = CASE WHEN public_id LIKE ? THEN ? ELSE ? END},
        undef, $who, '$2b$07$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', $own);
    return;
}
$t->db->do(q{INSERT INTO users (tenant_id, public_id, email, password_hash)
    SELECT tenant_id, 'bystander', 'bystander@example.com', password_hash FROM users WHERE email = 'first@example.com'});

my $number = 0;
for (
    [ 'login'               => 401, { password => 'Wrong-Horse-7' }, [$ONCE] ],
    [ 'login'               => 401, { password => "Wrong-Cafe\x{301}-7" }, [ $ONCE, $ONCE ], 'a password that is not in NFC' ],
    [ 'register'            => 201, { password => $PASSWORD }, [$ONCE] ],
    [ 'forgot-password'     => 200, {}, [] ],
    [ 'resend-verification' => 200, {}, [] ],
    [ 'login'               => 401, { password => 'Wrong-Horse-7' }, [$ONCE], 'users came with hashes of bcrypt',         'known%' ],
    [ 'login'               => 401, { password => 'Wrong-Horse-7' }, [$ONCE], 'others came with hashes of bcrypt', 'bystander' ],
) {
    my ($call, $status, $body, $hashes, $what, $imported) = @$_;
    subtest join(', ', $call, $what // ()) => sub {
        $number++;
        import_hash($imported) if $imported;
        my %answers;
        my $client = $t->client(api => undef);
        my $ask = sub ($kind, $n) {
            my $ip  = join '.', 10, $number, $kind eq 'known' ? 1 : 2, $n;
            my $res = $client->post("/api/v1/auth/$call", { email => "$kind$n\@example.com", %$body }, headers => { 'X-Forwarded-For' => $ip });
            $answers{ telling($res) }++;
            return $res->seconds;
        };
        for my $kind ($t->counts_hashes ? qw(known other) : ()) {
            is_deeply [ $t->hashes(sub { $ask->($kind, 0) }) ], $hashes, "scrypt, $kind: " . (join(', ', @$hashes) || 'never');
        }
        take_as_long(sub ($n) { $ask->('known', $n) }, sub ($n) { $ask->('other', $n) }, 'known and unknown addresses take as long');
        is scalar keys %answers, 1, 'one answer' or diag join "\n\n", keys %answers;
        like((keys %answers)[0], qr/\A$status\n/, "  of status $status");
    };
}
