# What search_endpoints finds first: for each of the queries that people have, as they say them, one of the operations behind it is among the
# first three.  Over the operations that there are and the guide; t/unit/find.c has what holds of any.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Cpanel::JSON::XS qw(decode_json encode_json);
use File::Temp ();
use Test::More;

my @queries = (
    [ 'sign in', 'POST /api/v1/auth/login' ],
    [ 'log in', 'POST /api/v1/auth/login' ],
    [ 'login', 'POST /api/v1/auth/login' ],
    [ 'sign in with a password', 'POST /api/v1/auth/login' ],
    [ 'how do I log a user in', 'POST /api/v1/auth/login' ],
    [ 'sign up', 'POST /api/v1/auth/register' ],
    [ 'register a user', 'POST /api/v1/auth/register' ],
    [ 'create an account', 'POST /api/v1/auth/register' ],
    [ 'log out', 'POST /api/v1/auth/logout' ],
    [ 'sign out', 'POST /api/v1/auth/logout' ],
    [ 'refresh token', 'POST /api/v1/auth/refresh' ],
    [ 'reset password', 'POST /api/v1/auth/reset-password' ],
    [ 'forgot my password', 'POST /api/v1/auth/forgot-password' ],
    [ 'change password', 'POST /api/v1/auth/change-password' ],
    [ 'verify email', 'POST /api/v1/auth/verify-email' ],
    [ 'current user', 'GET /api/v1/auth/me', 'GET /api/v1/app/users/me' ],
    [ 'update my profile', 'PATCH /api/v1/app/users/me' ],
    [ 'sign in with Google', 'GET /api/v1/auth/google/url' ],
    [ 'enable two-factor authentication', 'POST /api/v1/auth/mfa/totp' ],
    [ '2fa', 'POST /api/v1/auth/mfa/totp', 'POST /api/v1/auth/mfa/verify' ],
    [ 'add a passkey', 'POST /api/v1/auth/passkeys/registration', 'POST /api/v1/auth/passkeys/registration/options' ],
    [ 'my sessions', 'GET /api/v1/auth/sessions' ],
    [ 'upload file', 'POST /api/v1/user/files', 'POST /api/v1/app/files/upload-url' ],
    [ 'download a file', 'GET /api/v1/user/files/{file_id}/download' ],
    [ 'create project', 'POST /api/v1/app/projects' ],
    [ 'list projects', 'GET /api/v1/app/projects' ],
    [ 'delete a project', 'DELETE /api/v1/app/projects/{project_id}' ],
    [ 'create organization', 'POST /api/v1/organizations' ],
    [ 'invite member', 'POST /api/v1/organizations/{organization_id}/invite' ],
    [ 'accept invitation', 'POST /api/v1/organizations/accept-invitation' ],
    [ 'list members', 'GET /api/v1/organizations/{organization_id}/members', 'GET /api/v1/members' ],
    [ 'change the role of a member', 'PUT /api/v1/organizations/{organization_id}/members/{user}' ],
    [ 'remove a member', 'DELETE /api/v1/organizations/{organization_id}/members/{user}' ],
    [ 'switch workspace', 'POST /api/v1/workspaces/switch' ],
    [ 'list invoices', 'GET /api/v1/organizations/{organization_id}/invoices', 'GET /api/v1/app/billing/invoices' ],
    [ 'cancel subscription', 'DELETE /api/v1/organizations/{organization_id}/subscription', 'POST /api/v1/app/billing/cancel' ],
    [ 'checkout', 'POST /api/v1/subscriptions/checkout', 'POST /api/v1/app/billing/checkout' ],
    [ 'list plans', 'GET /api/v1/plans' ],
    [ 'webhook', 'POST /api/v1/webhooks', 'GET /api/v1/webhooks' ],
    [ 'create webhook', 'POST /api/v1/webhooks' ],
    [ 'test a webhook', 'POST /api/v1/webhooks/{webhook_id}/test' ],
    [ 'send message', 'POST /api/v1/user/agents/{agent_id}/chat', 'POST /api/v1/app/ai/chat' ],
    [ 'chat with an agent', 'POST /api/v1/user/agents/{agent_id}/chat' ],
    [ 'ask a language model', 'POST /api/v1/app/ai/chat', 'POST /api/v1/ai/completions' ],
    [ 'list notifications', 'GET /api/v1/notifications/list' ],
    [ 'mark notifications as read', 'POST /api/v1/notifications/mark-read' ],
    [ 'create api key', 'POST /api/v1/dashboard/api-keys' ],
    [ 'revoke an API key', 'DELETE /api/v1/dashboard/api-keys/{key_id}' ],
    [ 'feature flags', 'GET /api/v1/admin/feature-flags' ],
    [ 'audit log', 'GET /api/v1/dashboard/audit-log', 'GET /api/v1/admin/dashboard/audit-logs' ],
    [ 'my usage this month', 'GET /api/v1/app/usage/summary', 'GET /api/v1/app/usage/current-period' ],
    [ 'report usage', 'POST /api/v1/usage/events' ],
    [ 'queue a job', 'POST /api/task-queue/submit' ],
    [ 'health check', 'GET /api/v1/public/health' ],
    [ 'contact form', 'POST /api/v1/public/contact' ],
    [ 'send traces', 'POST /api/v1/traces' ],
    [ 'search users', 'GET /api/v1/users', 'GET /api/v1/admin/users' ],
    [ 'deactivate a user', 'POST /api/v1/users/{user}/deactivate' ],
    [ 'impersonate a user', 'POST /api/v1/admin/impersonate/start' ],
    [ 'websocket', 'POST /api/v1/app/ws/ticket' ],
    [ 'create a goal', 'POST /api/v1/goals' ],
    [ 'what may a role do', 'GET /api/v1/permissions/roles/{role}' ],
);

my $dir   = File::Temp->newdir('/tmp/ashlar-search-XXXXXX');
my @calls = map { { method => 'tools/call', params => { name => 'search_endpoints', arguments => { query => $queries[$_][0] } }, id => $_ } } 0 .. $#queries;
open my $out, '>:raw', "$dir/asked" or die "asked: $!\n";
for ({ method => 'initialize', id => -1, params => { protocolVersion => '2025-06-18', capabilities => {}, clientInfo => { name => 'test', version => '1' } } }, @calls) {
    print {$out} encode_json({ jsonrpc => '2.0', %$_ }), "\n";
}
close $out or die "asked: $!\n";
my $program = "$Ashlar::Cluster::BUILD/ashlar";
my %said    = map { $_->{id} => $_->{result} } map { decode_json($_) } qx($program mcp <$dir/asked);
is $?, 0, 'ashlar mcp ends';
for my $n (0 .. $#queries) {
    my ($query, @wanted) = @{ $queries[$n] };
    my @found = map { s/\A\d+\. //r } grep { /\A\d+\. / } split /\n/, $said{$n}{content}[0]{text} // '';
    my @first = @found > 3 ? @found[ 0 .. 2 ] : @found;
    ok scalar(grep { my $line = $_; grep { index($line, "$_: ") == 0 } @wanted } @first), "$query: $wanted[0]" or diag explain \@found;
}
done_testing;
