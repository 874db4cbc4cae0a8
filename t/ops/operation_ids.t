# What generated clients call: operation ids.  docs/operations.txt holds those that were published, a line each, "GET /path
# id"; one that is called otherwise since, or is gone, is named in CHANGELOG.md.
#
#	perl t/ops/operation_ids.t --write	writes docs/operations.txt anew, as a release does

use v5.36;
use lib 't/lib';
use Ashlar::Cluster;
use Cpanel::JSON::XS 'decode_json';
use Test::More;

my $file     = 'docs/operations.txt';
my $document = decode_json(scalar qx($Ashlar::Cluster::BUILD/ashlar openapi));

sub slurp ($path) {
    open my $in, '<:encoding(UTF-8)', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

my @operations;    # [ method, path, operation ]
for my $path (sort keys $document->{paths}->%*) {
    my $item = $document->{paths}{$path};
    push @operations, map { [ uc, $path, $item->{$_} ] } grep { $item->{$_} } qw(get post put patch delete);
}
my @received = map { [ 'EVENT', $_, $document->{webhooks}{$_}{post} ] } sort keys $document->{webhooks}->%*;
my $text     = join '', map { "$_->[0] $_->[1] $_->[2]{operationId}\n" } @operations, @received;

if ((shift // '') eq '--write') {
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";
    exit;
}

subtest 'a verb and a noun, once each' => sub {
    # Further verbs are fine, where it is one; most of what is needed is here.
    my %is_verb = map { $_ => 1 } qw(
        accept activate add analyze archive assign begin cancel change check claim commit complete confirm consume convert count create deactivate decline delete disable dismiss download draft enrol
        fail find finish generate get grant heartbeat invite join leave list login logout mark move open patch pause provision purge put read reassign receive redeliver refresh refund register reject
        release remove rename renew replace replay request resend reset restart restore resume retry revoke roll rotate seed set snooze start stop stream submit subscribe suggest switch test toggle
        trash unarchive undo update upload verify
    );
    my %times;
    for my $operation (@operations, @received) {
        my $id = $operation->[2]{operationId};
        $times{$id}++;
        like $id, qr/\A[a-z]+(?:_[a-z0-9]+)+\z/, "$id can be a method's name" if $id !~ /\A[a-z]+(?:_[a-z0-9]+)+\z/;
        my ($verb) = $id =~ /\A([a-z]+)/;
        fail "$id does not begin with a verb: a line of names[] in fcgi/reference/openapi_names.c says what it does" if !$is_verb{ $verb // '' };
    }
    is_deeply [ grep { $times{$_} > 1 } sort keys %times ], [], 'no id is another one\'s, too';
    # "list" is of many, and its noun is in the plural.
    is_deeply [ grep { /^list_/ && !/s(?:_v\d)?\z/ } sort keys %times ], [], 'what is listed is many';
};

subtest 'what was published is called so, or the notes say what has become of it' => sub {
    chomp(my $tree = qx(tools/previous));
    my %is    = map { $_ => 1 } split /\n/, $text;
    my %was   = map { $_ => 1 } map { split /\n/, slurp($_) } $file, grep { -e } "$tree/$file";
    my $notes = slurp('CHANGELOG.md');
    cmp_ok scalar keys %was, '>', 200, 'the list is there';
    for my $line (grep { !$is{$_} } sort keys %was) {
        my ($id) = $line =~ /(\S+)\z/;
        like $notes, qr/`\Q$id\E`/, "$line: CHANGELOG.md names `$id`";
    }
};

subtest 'tags are a surface and a noun, or its dashboard, with what they are about' => sub {
    my %tag = map { $_->{name} => $_->{description} } $document->{tags}->@*;
    for my $operation (@operations) {
        my $op = $operation->[2];
        my ($surface, $noun) = split /[.]/, $op->{'x-catalogue-id'};
        $noun = 'dashboard' if $operation->[1] =~ m{^/api/v1/dashboard/};
        is_deeply $op->{tags}, ["$surface $noun"], $op->{operationId};
        ok exists $tag{ $op->{tags}[0] }, '  which the document lists';
    }
    is_deeply [ grep { !length($tag{$_} // '') } sort keys %tag ], [], 'each says what it is about: domains[] in fcgi/reference/openapi_names.c';
    is_deeply [ sort keys %tag ], [ sort keys { map { $_->[2]{tags}[0] => 1 } @operations }->%* ], 'none is there for nothing';
};

done_testing;
