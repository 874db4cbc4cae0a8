package Ashlar::Asked;

# What a program of another language has a test do in between, since only that can: restart a server, look into the database, read a
# mail.  It writes ["name", argument, …] as JSON to a file NAME.ask of a directory, and waits for NAME.done with [answer].
# clients/typescript/test/harness.mjs is such a program's side.

use v5.36;
use Cpanel::JSON::XS qw(decode_json encode_json);
use Time::HiRes qw(sleep time);

sub _slurp ($file) {
    open my $in, '<:raw', $file or die "$file: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

# Answer with the subs of can while a process (Ashlar::Process) is alive, for so many seconds; returns its exit status.
sub answer_while ($process, $dir, $can, $seconds) {
    my $until = time + $seconds;
    while ($process->alive && time < $until) {
        for my $file (glob "$dir/*.ask") {
            my ($name, @args) = @{ decode_json(_slurp($file)) };
            my $answer = ($can->{$name} // die "the program asks for $name\n")->(@args);
            open my $out, '>:raw', "$file.new" or die "$file: $!\n";
            print {$out} encode_json([$answer]);
            close $out  or die "$file: $!\n";
            unlink $file or die "$file: $!\n";
            rename "$file.new", $file =~ s/ask\z/done/r or die "$file: $!\n";
        }
        sleep 0.02;
    }
    return $process->wait_for(5);
}

1;
