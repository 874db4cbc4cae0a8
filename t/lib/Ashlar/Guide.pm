package Ashlar::Guide;

# The boxes of a page of the guide, and a shell that they are pasted into one after the other, as a reader does it.

use v5.36;
use Ashlar::Answers;
use Ashlar::Process;
use Cpanel::JSON::XS 'decode_json';
use Encode 'encode';
use Exporter 'import';
use File::Temp ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(alone blocks scripts steps is_as_shown);

# The boxes, as they are when copied.
sub _text ($html) {
    state $entity = { lt => '<', gt => '>', quot => '"', amp => '&' };
    return $html =~ s/<[^>]+>//gr =~ s/&(\w+);/$entity->{$1}/gr;
}

sub blocks ($html) { return map { _text($_) } $html =~ m{<pre(?! class="typescript")[^>]*><code>(.*?)</code></pre>}gs }

# Those in TypeScript, which stand beside commands.
sub scripts ($html) { return map { _text($_) } $html =~ m{<pre class="typescript"><code>(.*?)</code></pre>}gs }

# Those without any right behind them.
sub alone ($html) { return map { _text($_) } $html =~ m{<pre(?! class)[^>]*><code>((?:(?!</code>).)*)</code></pre>(?!\s*<pre class="typescript">)}gs }

# Those to paste, each with what the page shows as its answer; undef where it shows none.
sub steps ($html) {
    my @steps;
    while ($html =~ m{<pre(?! class="typescript")(?<answer> class="answer")?><code>(?<text>.*?)</code></pre>}gs) {
        if   ($+{answer}) { $steps[-1][1] = _text($+{text}) }
        else              { push @steps, [ _text($+{text}), undef ] }
    }
    return @steps;
}

sub _pattern ($shown) { return join '.*', map { quotemeta } split /…/, $shown, -1 }

sub _same ($got, $shown) {
    return 0 if ref $got ne ref $shown;
    if (ref $shown eq 'HASH') {
        return 0 if "@{[ sort keys %$got ]}" ne "@{[ sort keys %$shown ]}";
        return !grep { !_same($got->{$_}, $shown->{$_}) } keys %$shown;
    }
    if (ref $shown eq 'ARRAY') { return @$got == @$shown && !grep { !_same($got->[$_], $shown->[$_]) } 0 .. $#$shown }
    return defined $got eq defined $shown if !defined $got || !defined $shown;
    my $pattern = _pattern($shown);
    return $got =~ /\A$pattern\z/s;
}

# Does it have what the page shows?  There … stands for anything, and JSON may be broken into lines: it has the same members then.
sub is_as_shown ($got, $shown) {
    my ($is, $should) = map { eval { decode_json(encode('UTF-8', $_)) } } $got, $shown;
    return _same($is, $should) if ref $should;
    my $pattern = _pattern($shown =~ s/\s+\z//r);
    return $got =~ /^$pattern$/ms;
}

# A shell in the tree's directory, with an environment of its own.
sub shell ($class, %env) {
    my $dir = File::Temp->newdir('/tmp/ashlar-guide-XXXXXX');
    open my $said, '>', "$dir/said" or die "$dir/said: $!\n";    # it is read before the shell has begun
    close $said or die "$dir/said: $!\n";
    pipe my $from, my $to or die "pipe: $!\n";
    my $process = Ashlar::Process->start(name => 'shell', cmd => [qw(bash --norc --noprofile)], stdin => $from, log => "$dir/said", env => \%env);
    $to->autoflush(1);
    # What curl gets is noted, as of every test; the reader's curl answers the same.
    print {$to} <<~"END";
        curl() {
            local d s
            d=\$(mktemp -d $dir/answer.XXXXXX)
            : >\$d/body
            command curl --max-time 30 "\$@" -D \$d/headers -o \$d/body -w '\\n%{http_code} %{method} %{url_effective}' >\$d/end
            s=\$?
            cat \$d/body
            return \$s
        }
        END
    return bless { dir => $dir, to => $to, process => $process, boxes => 0 }, $class;
}

# All that was said so far, by what runs in the background, too.
sub said ($self) {
    open my $in, '<:encoding(UTF-8)', "$self->{dir}/said" or die "said: $!\n";
    local $/ = undef;
    return scalar(<$in>) // '';
}

# Paste a box; returns what was printed until it ended.
sub paste ($self, $box) {
    my $n    = ++$self->{boxes};
    my $from = length $self->said;
    print { $self->{to} } encode('UTF-8', $box), "\necho '[end of box $n]'\n";
    my $until = time + 60;
    while (1) {
        my ($printed) = substr($self->said, $from) =~ /\A(.*)\[end of box $n\]\n/s;
        return $printed if defined $printed;
        die "box $n does not end:\n$box\n", substr $self->said, $from if time > $until || !$self->{process}->alive;
        sleep 0.02;
    }
}

# End it, with all that it started, and note what its curl got.
sub end ($self) {
    close $self->{to} or die "shell: $!\n";
    my $status = $self->{process}->wait_for(20);
    $self->{process}->kill_group;
    for my $d (glob "$self->{dir}/answer.*") {
        my $printed = '';
        for my $file (qw(body end)) {
            open my $in, '<:raw', "$d/$file" or die "$d/$file: $!\n";
            local $/ = undef;
            $printed .= <$in> // '';
        }
        Ashlar::Answers::note_curl($printed, "$d/headers");
    }
    return $status;
}

sub DESTROY ($self) { local $?; $self->{process}->kill_group; return }

1;
