package Ashlar::SignIn;

# What the tests of signing in have in common.  Each caller comes from an
# address of its own, because the limits count addresses: start the instance
# with behind_proxy's settings.

use v5.36;
use Exporter 'import';
use Test::More;

our @EXPORT_OK = qw(@BEHIND_PROXY $PASSWORD from set_tenant sign_in claims audit_of newest_mail);

our @BEHIND_PROXY = (nginx => { REAL_IP_FROM => '127.0.0.1' });
our $PASSWORD     = 'Correct-Horse-7';

# A caller at another address than all before; or at the given one.
sub from ($t, $ip = undef, %arg) {
    state $n = 0;
    $n++;
    $ip //= '10.' . join '.', map { $n >> $_ & 255 } 16, 8, 0;
    return $t->client(headers => { 'X-Forwarded-For' => $ip }, %arg);
}

# Change a tenant's settings.
sub set_tenant ($t, $slug, %column) {
    my @names = sort keys %column;
    $t->db->do('UPDATE tenant_settings SET ' . join(', ', map { "$_ = ?" } @names) . ' WHERE tenant_id = ?',
        undef, @column{@names}, $t->tenant_id($slug));
    return;
}

# A new user who signed up with $PASSWORD (verification off); the answer.
sub sign_in ($t, $email, %arg) {
    my $res = from($t, undef, %arg)->post('/api/v1/auth/register', { email => $email, password => $PASSWORD });
    die "register: ", $res->describe if $res->status != 201;
    return $res;
}

# The claims of a token, unverified.
sub claims ($token) {
    require Ashlar::Token;
    return (Ashlar::Token::parts($token))[1];
}

# The newest audit rows of an action, newest first, with details decoded.
sub audit_of ($t, $action) {
    require Cpanel::JSON::XS;
    return map { { %$_, details => Cpanel::JSON::XS::decode_json($_->{details}) } } @{ $t->db->selectall_arrayref(
        'SELECT actor_id, actor_type, resource_type, resource_id, details, host(ip_address) AS ip, user_agent, request_id
         FROM audit_events WHERE action = ? ORDER BY created_at DESC', { Slice => {} }, $action) };
}

# The newest mail to an address, or undef.
sub newest_mail ($t, $to) { return (grep { $_->{to} eq $to } $t->mails)[-1] }

1;
