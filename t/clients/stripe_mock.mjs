// npm's stripe-stateful-mock on a free port of loopback, which it prints first; until it is stopped.
import http from 'node:http';
import mock from 'stripe-stateful-mock';

const server = http.createServer(mock.createExpressApp());
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
