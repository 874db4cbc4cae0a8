package Ashlar::Console;

# The console in headless Chromium (t/clients/console.mjs), as one person has it in a browser: tabs and what is done in them.
#
#     console($t);
#     sign_in('first', 'olga@acme.example', '/console/team');
#     my $got = does('first', { click => 'Team', role => 'link' }, { settle => true }, { see => 'rows', of => 'tbody tr' }, { look => 'team' });
#     is scalar @{ $got->{values}{rows} }, 2;
#     looks_ok $got, 'team';

use v5.36;
use utf8;
use Api;
use Ashlar::SignIn qw($PASSWORD);
use Cpanel::JSON::XS qw(decode_json encode_json);
use Exporter 'import';
use File::Path 'make_path';

our @EXPORT = qw(console does looks_ok sign_in);

my ($errors, $chromium, $tasks, $seen);

# Start the browser, which ends with the test.  Pictures go to CONSOLE_SHOTS; a step may take CONSOLE_PATIENCE_MS.
sub console ($t) {
    my $shots = $ENV{CONSOLE_SHOTS} // "$t->{dir}/shots";
    make_path($shots);
    pipe my $in, $tasks or die "pipe: $!\n";
    pipe $seen, my $out or die "pipe: $!\n";
    my $setting = encode_json({ to => "https://localhost:$t->{https_port}", cert => "$t->{dir}/cert.pem", key => "$t->{dir}/key.pem", shots => $shots, patience => 0 + ($ENV{CONSOLE_PATIENCE_MS} // 60_000) });
    $errors   = "$t->{dir}/console.err";
    $chromium = Ashlar::Process->start(cmd => [ 'node', 't/clients/console.mjs', $setting ], env => { Ashlar::Answers::env(), NODE_EXTRA_CA_CERTS => "$t->{dir}/cert.pem" }, log => $errors, stdin => $in, stdout => $out);
    close $_ or die "close: $!\n" for $in, $out;
    $tasks->autoflush;
    return;
}

END {
    my $status = $?;
    if ($chromium) {
        close $tasks;
        $chromium->wait_for(30);    # it closes the browser, which is in a group of its own
    }
    $? = $status;    ## no critic (RequireLocalizedPunctuationVars)
}

# What came of the steps in a tab; none of them may go wrong on the way.  Tokens are asked for by the worker alone, and no text
# of them is to be seen here.
sub does ($tab, @steps) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my %more = ref $steps[0] eq 'ARRAY' ? @{ shift @steps } : ();
    print $tasks encode_json({ tab => $tab, steps => \@steps, %more }), "\n";
    my $said = readline $seen;
    die "Chromium: ", do { open my $err, '<:raw', $errors or die "$errors: $!\n"; local $/ = undef; <$err> // '' }, "\n" if !defined $said;
    my $got = decode_json($said);
    is_deeply $got->{errors}, [], "$tab: nothing went wrong, was against the policy, or asked elsewhere";
    return $got;
}

sub looks_ok ($got, @names) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    for my $name (@names) {
        is_deeply $got->{values}{$name}{found}, [], "$name: axe-core finds nothing, wide or narrow, by day or night";
        is_deeply $got->{values}{$name}{overflow}, { 1280 => 0, 360 => 0 }, "$name: nobody scrolls sideways";
    }
    return;
}

sub sign_in ($tab, $email, $path = '/console', %arg) {
    return does($tab, ($arg{is_new} ? [ isNew => true ] : ()), { open => $path }, ($arg{as} ? { check => { $arg{as} => true } } : ()),
        { fill => { Email => $email, Password => $arg{password} // $PASSWORD } }, { click => 'Sign in' }, @{ $arg{then} // [ { wait => $arg{wait} // 'Sign out' }, { settle => true } ] });
}

1;
