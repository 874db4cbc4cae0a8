package Ashlar::Workspace;

# A workspace and its members, each a client that names it in X-Workspace-Id.
#
#     my $w = workspace($t, ann => 'owner', bob => 'member');
#     $w->{ann}->get('/api/v1/teams');
#     $w->member_id('bob');    of the membership
#     $w->id;                  of the workspace

use v5.36;
use Exporter 'import';

our @EXPORT = qw(workspace);

# The first is who made it.  What the users are called is their names and the workspace's number.
sub workspace ($t, @members) {
    state $n = 0;
    $n++;
    my $self = bless { api => $t }, __PACKAGE__;
    while (my ($name, $role) = splice @members, 0, 2) {
        my $user = $t->user("$name-$n", columns => { full_name => ucfirst $name });
        $self->{id} //= $t->organization($user, role => $role);
        $t->member($self->{id}, $user, $role);
        $self->{$name} = $user->with(headers => { 'X-Workspace-Id' => $self->{id} });
    }
    return $self;
}

sub id ($self) { return $self->{id} }

sub member_id ($self, $name) {
    return $self->{members}{$name} //= $self->{api}->db->selectrow_array(
        'SELECT id FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $self->{id}, $self->{$name}->uuid);
}

# As answers show a member.
sub ref_of ($self, $name, $role) {
    return { id => $self->member_id($name), full_name => ucfirst $name, display_name => ucfirst $name, email => $self->{$name}->email, avatar_url => undef, role => $role };
}

1;
