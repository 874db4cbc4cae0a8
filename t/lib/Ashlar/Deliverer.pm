package Ashlar::Deliverer;

# The worker of an instance (Api) that serves nothing but ashlar.webhooks.

use v5.36;
use Ashlar::Cluster;
use Ashlar::Process;
use Cwd 'getcwd';

sub start ($class, $t) {
    my @cmd     = (getcwd . "/$Ashlar::Cluster::BUILD/ashlar", qw(worker --queues ashlar.webhooks --concurrency 1));
    my $process = Ashlar::Process->start(name => 'deliverer', cmd => \@cmd, log => "$t->{dir}/api-deliver.log", env => $t->{env});
    return bless { process => $process }, $class;
}

sub crash ($self)           { return $self->{process}->kill_group }
sub term  ($self)           { return $self->{process}->signal('TERM') }
sub ended ($self, $seconds) { my $status = $self->{process}->wait_for($seconds); return defined $status && $status == 0 }

1;
