# What members can be told of stands in providers/notification.def; PostgreSQL and the
# mails in other languages have the same.

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Test::More;

my $cluster = Ashlar::Cluster->shared;
my $name    = $cluster->clone;
my $db      = $cluster->connect($name);

sub slurp ($file) {
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

# The arguments of each line of a macro.
my $def = slurp('providers/notification.def') =~ s{/\*.*?\*/}{}sr;
sub lines_of ($macro) {
    return map { [ map { /\A"(.*)"\z/ ? $1 : $_ eq 'NULL' ? undef : $_ } /("[^"]*"|\w+)(?:,\s*|\z)/g ] } $def =~ /^$macro\((.*)\)$/mg;
}

my @types      = lines_of('NOTIFICATION_TYPE');
my @categories = lines_of('NOTIFICATION_CATEGORY');
is scalar(@types), 45, 'kinds of events';
is_deeply $db->selectall_arrayref(q{SELECT event_type, category, label, message, permission, inapp_enabled::text, email_enabled::text, whatsapp_enabled::text, needs_attention::text FROM notification_events() ORDER BY rank}),
    \@types, 'as PostgreSQL has them';
is_deeply $db->selectall_arrayref('SELECT category, label, description FROM notification_categories() ORDER BY rank'), \@categories, 'and their categories';
is_deeply [ grep { my $c = $_->[1]; !grep { $_->[0] eq $c } @categories } @types ], [], 'each is in one that there is';
is_deeply $db->selectcol_arrayref('SELECT DISTINCT e.permission FROM notification_events() e WHERE e.permission NOT IN (SELECT name FROM permissions)'), [], 'and takes a permission that there is';

my @channels = slurp('providers/notification.h') =~ /X\(marks, "(\w+)", (\w+), "[^"]*", (\w+)\)/g;
is_deeply [ map { @$_ } @{ $db->selectall_arrayref(q{SELECT channel, channel || '_enabled', is_there::text FROM notification_channels()}) } ], \@channels, 'so are the channels';

is $db->selectrow_array(q{SELECT count(*) FROM notification_events() e WHERE notification_kind(e.event_type) = to_jsonb(e) || '{"channels": {"inapp": true, "email": true, "whatsapp": false}}'}), 45, 'each as it is looked up';
is $db->selectrow_array(q{SELECT notification_kind('nope')}), undef, '  and no others';

# English has the labels of the list; every other language of mails its own words for all of them.
for my $language (grep { $_ ne 'en' } map { m{templates/mail/([^/]+)/\z} ? $1 : () } glob 'templates/mail/*/') {
    my @words = slurp("templates/mail/$language/notification_types.txt") =~ /^(\w+): \S.*$/mg;
    is_deeply \@words, [ map { $_->[0] } @types ], "$language has words for each, in their order";
}
for my $digest (glob 'templates/mail/*/notification_digest.txt') {
    is_deeply [ slurp($digest) =~ /^\*\* \{\{(\w+)\}\}$/mg ], [ map { $_->[0] } @categories ], "$digest shows each category, in their order";
}

$db->disconnect;
$cluster->drop($name);
done_testing;
