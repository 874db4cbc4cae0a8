// graphile-worker as a competent user runs it, told what to measure by lines of
// JSON on standard input; each is answered by one line.
//
//	{"do": "throughput", "jobs": 20000, "batch": false}	-> {"rate": 3456.7}
//	{"do": "latency", "jobs": 200}				-> {"ms": [1.2, ...]}
//
// "batch" is its way of handling many at once: a local queue of 500 jobs, and
// completions that are collected and written together.
import { createInterface } from 'node:readline';
import { EventEmitter } from 'node:events';
import { Logger, run } from 'graphile-worker';
import pg from 'pg';

const concurrency = Number(process.env.CONCURRENCY);
const pgPool = new pg.Pool({ max: concurrency + 2 });
const quiet = new Logger(() => () => {});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

pgPool.on('error', () => {});
pgPool.on('connect', (client) => client.on('error', () => {}));

// Start a runner; begun is called with each job's payload, done with each completion.
function start(batch, begun, done) {
	const events = new EventEmitter();
	events.setMaxListeners(0);
	events.on('job:complete', done);
	return run({
		pgPool,
		events,
		logger: quiet,
		noHandleSignals: true,
		taskList: { noop: async (payload) => begun(payload) },
		preset: {
			worker: {
				concurrentJobs: concurrency,
				...(batch ? { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {}),
			},
		},
	});
}

async function left() {
	const { rows } = await pgPool.query('SELECT count(*)::int AS n FROM graphile_worker.jobs');
	return rows[0].n;
}

// All jobs are there before it starts; from the first one's beginning until the last one is gone.
async function throughput({ jobs, batch }) {
	await pgPool.query(`SELECT graphile_worker.add_job('noop', '{}') FROM generate_series(1, $1)`, [jobs]);
	let first = 0;
	let last = 0;
	let n = 0;
	const runner = await start(batch, () => { first ||= performance.now(); }, () => { n++; last = performance.now(); });
	while (n < jobs) await sleep(5);
	while (await left()) last = performance.now();
	await runner.stop();
	return { rate: (jobs / (last - first)) * 1000 };
}

// One at a time into an idle runner, which is told by LISTEN; from in front of the insert until the job begins.
async function latency({ jobs }) {
	const ms = [];
	let begun;
	const runner = await start(false, (payload) => begun(performance.now() - payload.t), () => {});
	await sleep(500);
	for (let i = -5; i < jobs; i++) {
		const started = new Promise((resolve) => { begun = resolve; });
		await pgPool.query(`SELECT graphile_worker.add_job('noop', json_build_object('t', $1::float8))`, [performance.now()]);
		const waited = await started;
		if (i >= 0) ms.push(waited);
		await sleep(20);
	}
	await runner.stop();
	return { ms };
}

// Its schema is there before the first question.
await (await start(false, () => {}, () => {})).stop();

const questions = { throughput, latency };
for await (const line of createInterface({ input: process.stdin })) {
	const question = JSON.parse(line);
	console.log(JSON.stringify(await questions[question.do](question)));
}
await pgPool.end();
