# The guide's page "Sign-up", pasted box by box.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Guide qw(steps is_as_shown);
use Ashlar::Stripe;

my $stripe = Ashlar::Stripe->start;
my $t      = Api->start($stripe->settings, worker => 1, realtime => 1);
my $price  = $stripe->price(3000);
$t->keep_secret('sk_test_stub');

my $session = $stripe->ask(POST => 'checkout/sessions', "mode=subscription&success_url=https://shop.example.com/&line_items[0][price]=$price&line_items[0][quantity]=1")->{id};
$stripe->command(complete => { session => $session, email => 'pat@example.com' });
$stripe->told_to($t);
my ($mail) = grep { $_->{template} eq 'signup_invite' } $t->mails;
$t->keep_secret(@{ $mail->{secrets} }{qw(token code)});

my $shell = Ashlar::Guide->shell(INVITE_CODE => $mail->{secrets}{token});
my @steps = steps($t->get('/signing-up.html')->body);
cmp_ok scalar @steps, '>=', 4, 'the page has boxes';
for my $step (@steps) {
    my ($box, $shown) = @$step;
    $box =~ s{https://localhost:8443}{https://localhost:$t->{https_port}}g;
    my $got = $shell->paste($box =~ s/\Acurl -k/curl -sk/r);
    if    (!defined $shown)     { is $got, '', 'nothing is said' }
    elsif ($shown !~ /\A\{/)    { is $got =~ s/\s+\z//r, $shown =~ s/\s+\z//r, 'as shown' }
    else                        { ok is_as_shown($got, $shown), 'as shown' or diag "$box\n$got" }
}
is $shell->end, 0, 'the shell ends';
