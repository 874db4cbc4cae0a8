package Ashlar::Previous;

# The last release, which t/ops/previous names: its tree, and its database.

use v5.36;
use Digest::SHA 'sha256_hex';
use File::Basename 'basename';

# The directory that its tree is in; '': it is not there.
sub tree ($class) {
    chomp(my $tree = qx(tools/previous));
    return $tree;
}

# A file as text.
sub slurp ($file) {
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

# Do in an empty database what its "ashlar migrate" does, without its program.
sub apply ($class, $db) {
    my $tree = $class->tree or die "the last release is not there\n";
    for my $dir (qw(setup migrations functions)) {
        $db->begin_work if $dir eq 'functions';
        for my $file (sort { basename($a) cmp basename($b) } glob "$tree/sql/$dir/*.sql $tree/sql/$dir/*/*.sql") {
            my $text = slurp($file);
            my ($base) = $file =~ m{([^/]+)\z};
            utf8::encode(my $bytes = $text);
            $db->begin_work if $dir ne 'functions';
            $db->do($text);
            $db->do(q{INSERT INTO schema_migrations (version, name, checksum) VALUES (?, ?, decode(?, 'hex'))}, undef, $base =~ /^(\d+)/, $base, sha256_hex($bytes))
                if $dir eq 'migrations';
            $db->do(q{INSERT INTO schema_functions (name, checksum) VALUES (?, decode(?, 'hex'))}, undef, $base, sha256_hex($bytes))
                if $dir eq 'functions';
            $db->commit if $dir ne 'functions';
        }
        $db->commit if $dir eq 'functions';
    }
    return;
}

1;
