// BullMQ.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { play } from './contender.mjs';

// "Something between 100 and 300 is a quite standard setting" ("Parallelism and Concurrency" in its guide); jobs that only
// compute have nothing from more.
const CONCURRENCY = 100;

// "Auto-removal of jobs" in its guide: in production finished jobs are not kept without bounds.
const KEPT = { removeOnComplete: { count: 0 } };

await play({
  async prepare() {},

  async connect(place) {
    // "Going to production" in its guide: a worker's connection never gives up.
    const connection = new Redis(place.url, { maxRetriesPerRequest: null });
    const queue = new Queue(place.name, { connection });
    return {
      add: (job) => queue.add('nothing', job),
      fill: (jobs) => queue.addBulk(jobs.map((data) => ({ name: 'nothing', data }))),
      async work(stage) {
        const options = { connection, concurrency: CONCURRENCY, ...KEPT };
        const worker = new Worker(place.name, async (job) => stage.ran(job.data), options);
        const broken = new Promise((_, reject) => worker.on('error', reject));
        await Promise.race([stage.over, broken]);
        await worker.close();
      },
      left: () => queue.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized', 'paused', 'failed'),
      async close() {
        await queue.close();
        connection.disconnect();
      },
    };
  },
});
