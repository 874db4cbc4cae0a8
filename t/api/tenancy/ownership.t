use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use POSIX ();

# Leaving a workspace, handing it on, and inviting many at once.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

sub at ($w, $what) { return '/api/v1/workspaces/' . (ref $w ? $w->id : $w) . "/$what" }
sub offer ($who, $w, $member) { return $who->post(at($w, 'ownership-offer'), { member_id => $member }) }
sub role_of ($w, $name) { return scalar $db->selectrow_array('SELECT role FROM memberships WHERE id = ?', undef, $w->member_id($name)) }
sub owners ($w) { return scalar $db->selectrow_array('SELECT owner_count FROM organizations WHERE id = ?', undef, $w->id) }
sub audited ($who) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_id = ? AND action NOT LIKE 'session.%' ORDER BY seq}, undef, $who->id) } }
sub mails ($who) { return map { $_->{template} } grep { $_->{to} eq $who->email } $t->mails }

subtest 'leaving' => sub {
    my $w = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
    my $x = workspace($t, eve => 'owner');
    error_is $x->{eve}->post(at($_, 'leave')), 404, 'NOT_FOUND', name => 'nobody leaves where they never were' for $w, $none;
    error_is $w->{ann}->post(at($w, 'leave')), 400, 'BAD_REQUEST', message => qr/last owner/;
    status_is $w->{vera}->post(at($w, 'leave')), 204, 'every other member does';
    error_is $w->{vera}->get('/api/v1/members/me'), 403, 'AUTHORIZATION_ERROR', name => 'and is nobody then';
    status_is $w->{vera}->post(at($w, 'leave')), 204, 'twice is harmless';
    is audited($w->{vera}), 'member.remove';
    is $db->selectrow_array(q{SELECT details ->> 'left' FROM audit_events WHERE action = 'member.remove' AND resource_id = ?}, undef, $w->{vera}->id), 'true';
    is $db->selectrow_array('SELECT deleted_at FROM users WHERE id = ?', undef, $w->{vera}->uuid), undef, 'the account stays';
    $t->member($w->id, $w->{bob}, 'owner');
    status_is $w->{ann}->post(at($w, 'leave')), 204, 'an owner, while there is another one';
    error_is $w->{bob}->post(at($w, 'leave')), 400, 'BAD_REQUEST';
    $db->do('UPDATE memberships SET is_active = false WHERE organization_id = ? AND user_id = ?', undef, $x->id, $x->{eve}->uuid);
    error_is $x->{eve}->post(at($x, 'leave')), 404, 'NOT_FOUND', name => 'who was switched off has nothing to leave';
};

# Ask in a separate process; ->() waits, and has the status.
sub forked ($who, $path) {
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        print $to $t->client(token => $who->token)->post($path, undef, fresh => 1)->status;
        close $to or die "close: $!\n";
        POSIX::_exit(0);
    }
    close $to or die "close: $!\n";
    return sub { my $status = readline $from; waitpid $pid, 0; $status };
}

subtest 'two owners who leave at once' => sub {
    my $w       = workspace($t, ann => 'owner', bob => 'owner');
    my $lock    = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $w->id);
    my @waiting = map { forked($w->{$_}, at($w, 'leave')) } qw(ann bob);
    eventually { $t->waiting == 2 } 10, 'both wait';
    $lock->rollback;
    is join(' ', sort map { $_->() } @waiting), '204 400', 'one goes, the other is the last';
    is owners($w), 1;
};

subtest 'ownership' => sub {
    my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', off => 'member');
    my $x = workspace($t, eve => 'owner');
    my ($ann, $bob) = @$w{qw(ann bob)};
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('off'));
    error_is offer($w->{adam}, $w, $w->member_id('bob')), 403, 'AUTHORIZATION_ERROR', name => 'not by an admin';
    error_is offer($x->{eve}, $w, $w->member_id('bob')), 403, 'AUTHORIZATION_ERROR', name => 'nor by who is no member';
    error_is offer($ann, $w, $_), 404, 'NOT_FOUND', name => 'to a member' for $none, $x->member_id('eve');
    error_is offer($ann, $w, $w->member_id($_)), 409, 'CONFLICT', field => 'member_id', name => "not to $_" for qw(ann off);
    my $old = $ann->with(token => $t->token($ann, iat => time - 7200));
    error_is offer($old, $w, $w->member_id('bob')), 403, 'RECENT_SIGN_IN_REQUIRED', name => 'who signed in long ago signs in again';
    error_is $ann->get(at($w, 'ownership-offer')), 404, 'NOT_FOUND';
    error_is $bob->post(at($w, 'ownership-offer/accept')), 404, 'NOT_FOUND';

    my $made = offer($ann, $w, $w->member_id('bob'));
    status_is $made, 201;
    json_is $made, '', { workspace_id => $w->id, from_member => $w->ref_of(ann => 'owner'), to_member => $w->ref_of(bob => 'member'), expires_at => $MICRO, created_at => $MICRO };
    is $db->selectrow_array(q{SELECT expires_at - created_at = interval '7 days' FROM ownership_offers WHERE organization_id = ?}, undef, $w->id), 1, 'good for 7 days';
    is scalar(grep { $_ eq 'ownership_offered' } mails($bob)), 1, 'who is to own it reads so';
    json_is $bob->get(at($w, 'ownership-offer')), '', $made->json;
    error_is $w->{adam}->get(at($w, 'ownership-offer')), 404, 'NOT_FOUND', name => 'others are not told';
    error_is $w->{adam}->$_(at($w, 'ownership-offer')), 404, 'NOT_FOUND' for 'delete';
    error_is $w->{adam}->post(at($w, 'ownership-offer/accept')), 404, 'NOT_FOUND';
    error_is $ann->post(at($w, 'ownership-offer/accept')), 403, 'AUTHORIZATION_ERROR', name => 'nobody accepts for another';
    is role_of($w, 'bob'), 'member', 'nothing has changed until it is accepted';

    status_is $ann->delete(at($w, 'ownership-offer')), 204, 'who offers it takes it back';
    error_is $bob->post(at($w, 'ownership-offer/accept')), 404, 'NOT_FOUND';
    status_is offer($ann, $w, $w->member_id('bob')), 201;
    status_is $bob->delete(at($w, 'ownership-offer')), 204, 'or it is declined';
    is audited($bob), 'ownership.offer ownership.cancel ownership.offer ownership.decline';
    status_is offer($ann, $w, $w->member_id('adam')), 201;
    json_is offer($ann, $w, $w->member_id('bob')), '/to_member/id', $w->member_id('bob'), 'a new one takes the place of the one before';
    error_is $w->{adam}->post(at($w, 'ownership-offer/accept')), 404, 'NOT_FOUND';
    $db->do('UPDATE ownership_offers SET expires_at = now()');
    error_is $bob->post(at($w, 'ownership-offer/accept')), 404, 'NOT_FOUND', name => 'after 7 days';
    error_is $bob->get(at($w, 'ownership-offer')), 404, 'NOT_FOUND';

    status_is offer($ann, $w, $w->member_id('bob')), 201;
    my $accepted = $bob->post(at($w, 'ownership-offer/accept'));
    json_is $accepted, '', { member_id => $w->member_id('bob'), workspace_id => $w->id, role => 'owner' };
    is role_of($w, 'ann') . ' ' . role_of($w, 'bob') . ' ' . owners($w), 'admin owner 1', 'who offered it is an admin';
    is scalar(grep { $_ eq 'ownership_accepted' } mails($ann)), 1, '  and reads so';
    error_is offer($ann, $w, $w->member_id('ann')), 403, 'AUTHORIZATION_ERROR', name => 'and owns it no more, at once';
    error_is $bob->post(at($w, 'ownership-offer/accept')), 404, 'NOT_FOUND', name => 'once';
    is join(' ', (split / /, audited($ann))[-2, -1]), 'ownership.accept member.role';

    status_is offer($bob, $w, $w->member_id('ann')), 201;
    $t->member($w->id, $w->{adam}, 'owner');
    status_is $w->{adam}->put('/api/v1/members/' . $w->member_id('bob'), { role => 'member' }), 200;
    error_is $ann->post(at($w, 'ownership-offer/accept')), 409, 'CONFLICT', name => 'an offer of who owns it no more is none';
    is role_of($w, 'ann'), 'admin';
    status_is $bob->post(at($w, 'leave')), 204;
    is $db->selectrow_array('SELECT count(*) FROM ownership_offers WHERE organization_id = ?', undef, $w->id), 0, 'it goes with who made it';
};

subtest 'many invitations' => sub {
    my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', off => 'member');
    my ($ann, $adam) = @$w{qw(ann adam)};
    my $known = $t->user('known');
    my $many  = sub ($who, @people) { $who->post(at($w, 'invitations'), { invitations => \@people }) };
    error_is $many->($w->{bob}, { email => 'x@example.com' }), 403, 'AUTHORIZATION_ERROR';
    error_is $many->($t->user('stranger'), { email => 'x@example.com' }), 403, 'AUTHORIZATION_ERROR';
    error_is $many->($ann), 422, 'VALIDATION_ERROR', field => 'invitations';
    error_is $many->($ann, map { { email => "p$_\@example.com" } } 1 .. 101), 422, 'VALIDATION_ERROR', field => 'invitations';
    error_is $many->($ann, { email => 'a@example.com' }, { email => 'x' }), 422, 'VALIDATION_ERROR';
    error_is $many->($ann, { email => 'a@example.com', role => 'owner' }), 422, 'VALIDATION_ERROR';
    is $db->selectrow_array('SELECT count(*) FROM invitations WHERE organization_id = ?', undef, $w->id), 0, 'what is wrong in its form is all refused';

    $db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $_->uuid) for $ann, $adam;
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('off'));
    my $res = $ann->post(at($w, 'invitations'), { message => 'Come!', invitations => [
        { email => 'New@Example.com', full_name => 'Nina', title => 'Rigger' }, { email => $w->{bob}->email }, { email => $known->email, role => 'viewer' }, { email => 'NEW@example.com' }, { email => $w->{off}->email } ] });
    status_is $res, 200;
    json_is $res, '/invited', 3;
    my @of = @{ $res->json('/results') };
    is join(' ', map { $_->{outcome} } @of), 'invited member invited pending invited', 'each by itself, in their order';
    json_is $res, '/results/0', { email => 'new@example.com', outcome => 'invited', member_id => $UUID, expires_at => $MICRO, message => undef };
    json_is $res, '/results/1', { email => $w->{bob}->email, outcome => 'member', member_id => undef, expires_at => undef, message => qr/member/ };
    my ($mail) = grep { $_->{to} eq 'new@example.com' } $t->mails;
    is "$mail->{template} $mail->{data}{message}", 'invitation Come!';
    $t->keep_secret($mail->{secrets}{token});
    json_is $t->get('/api/v1/workspaces/invitation-details', query => { token => $mail->{secrets}{token} }), '/name', 'Nina';
    status_is $t->post('/api/v1/workspaces/accept-invitation', { token => $mail->{secrets}{token}, password => 'Correct-Horse-7' }), 200;
    is scalar(grep { $_->{to} eq 'new@example.com' } $t->mails), 1, 'one mail each';

    my $more = $ann->post(at($w, 'invitations'), { send_email => false, invitations => [ map { { email => "q$_\@example.com" } } 1 .. 100 ] });
    my %n;
    $n{ $_->{outcome} }++ for @{ $more->json('/results') };
    is_deeply \%n, { invited => 98, limited => 2 }, '100 wait at most';
    is scalar(grep { $_->{to} =~ /\Aq/ } $t->mails), 0, 'without a mail where none is wanted';
    is $db->selectrow_array('SELECT count(*) FROM invitations WHERE organization_id = ? AND status = ?', undef, $w->id, 'pending'), 100;
    $db->do('DELETE FROM invitations WHERE organization_id = ?', undef, $w->id);
    my $all = $ann->post(at($w, 'invitations'), { invitations => [ map { { email => "r$_\@example.com" } } 1 .. 60 ] });
    %n = ();
    $n{ $_->{outcome} }++ for @{ $all->json('/results') };
    is_deeply \%n, { invited => 47, limited => 13 }, 'mails are limited as those of single ones are';
    is $db->selectrow_array('SELECT count(*) FROM invitations WHERE organization_id = ?', undef, $w->id), 47, '  and who is not told is not invited';
};
