// graphile-worker, the one for Node.
import { makeWorkerUtils, run, Logger } from 'graphile-worker';
import pg from 'pg';
import { play } from './contender.mjs';

// "Performance" in its documentation: the settings of its own figures.
const WORKER = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

// One connection for each caller.
const CONNECTIONS = 64;

const quiet = new Logger(() => () => {});

await play({
  async prepare(place) {
    const utils = await makeWorkerUtils({ connectionString: place.url, logger: quiet });
    await utils.migrate();
    await utils.release();
  },

  async connect(place) {
    const pgPool = new pg.Pool({ connectionString: place.url, max: CONNECTIONS });
    // It asks for both.
    pgPool.on('error', () => {});
    pgPool.on('connect', (client) => client.on('error', () => {}));
    const utils = await makeWorkerUtils({ pgPool, logger: quiet });
    return {
      add: (job) => utils.addJob('nothing', job),
      fill: (jobs) => utils.addJobs(jobs.map((payload) => ({ identifier: 'nothing', payload }))),
      async work(stage) {
        const preset = { worker: { ...WORKER, connectionString: place.url, logger: quiet } };
        const taskList = { nothing: async (job) => stage.ran(job) };
        const runner = await run({ preset, taskList, noHandleSignals: true });
        await Promise.race([stage.over, runner.promise]);
        await runner.stop();
      },
      async left() {
        const { rows } = await pgPool.query('SELECT count(*)::int AS left FROM graphile_worker._private_jobs');
        return rows[0].left;
      },
      async close() {
        await utils.release();
        await pgPool.end();
      },
    };
  },
});
