// The loads of src/load.rs for contenders in Node, in the same words: add, fill, drain, pick-up. A contender is an object with
//
//   prepare(place)            makes tables and whatever else is needed once
//   connect(place)            → { add(job), fill(jobs), work(stage), left(), close() }
//
// where work(stage) starts a worker, waits for stage.over and ends it as one ends a worker.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const PAYLOAD_BYTES = 300;
const PICK_UP_EVERY_MS = 20;
const WARM = 20;
const FILL_BATCH = 1_000;

/** Does what the only argument, a plan, says and prints an outcome. */
export async function play(contender) {
  try {
    const plan = JSON.parse(process.argv[2]);
    process.stdout.write(`${JSON.stringify(await perform(contender, plan))}\n`, () => process.exit(0));
  } catch (error) {
    process.stderr.write(`${error?.message ?? error}\n`, () => process.exit(1));
  }
}

async function perform(contender, { place, task, limit_s: limitS }) {
  if (task.kind === 'prepare') {
    await contender.prepare(place);
    return {};
  }
  const queue = await contender.connect(place);
  const outcome = await within(limitS, { add, fill, drain, pick_up: pickUp }[task.kind](queue, task));
  const memoryPeakKib = memoryPeak();
  await queue.close();
  return { ...outcome, memory_peak_kib: memoryPeakKib };
}

async function add(queue, { jobs, callers }) {
  const run = randomUUID();
  const times = [];
  let next = 0;
  const began = performance.now();
  const call = async () => {
    while (next < jobs) {
      const job = nothing(run, next++);
      const called = performance.now();
      await queue.add(job);
      times.push(performance.now() - called);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return { per_second: rate(jobs, performance.now() - began), within: spread(times) };
}

async function fill(queue, { jobs }) {
  const run = randomUUID();
  const began = performance.now();
  for (let from = 0; from < jobs; from += FILL_BATCH) {
    const length = Math.min(FILL_BATCH, jobs - from);
    await queue.fill(Array.from({ length }, (_, place) => nothing(run, from + place)));
  }
  return { per_second: rate(jobs, performance.now() - began) };
}

async function drain(queue, { jobs, waiting }) {
  const before = await queue.left();
  ensure(before === waiting, `${before} jobs wait instead of ${waiting}`);
  const stage = new Stage(jobs);
  await queue.work(stage);
  const left = await queue.left();
  ensure(
    stage.count + left === waiting,
    `${stage.count} of ${waiting} jobs ran, and the queue says that ${left} have not ended`,
  );
  return { per_second: rate(jobs, stage.last - stage.first) };
}

async function pickUp(queue, { jobs }) {
  const stage = new Stage(WARM + jobs);
  const working = queue.work(stage);
  const run = randomUUID();
  let beat = performance.now();
  for (let number = 0; number < WARM + jobs; number++) {
    if (number === WARM) {
      while (stage.count < WARM) await sleep(5);
      beat = performance.now();
    }
    beat += PICK_UP_EVERY_MS;
    await sleep(Math.max(0, beat - performance.now()));
    stage.added.push(performance.now());
    await queue.add(nothing(run, number));
  }
  await working;
  return { within: spread(stage.waits.slice(WARM)) };
}

/** Counts the jobs that run, and times how long each waited that was said to be added. */
class Stage {
  count = 0;
  added = [];
  waits = [];

  constructor(wanted) {
    this.wanted = wanted;
    this.over = new Promise((resolve) => (this.end = resolve));
  }

  /** What a handler does. */
  ran(job) {
    const now = performance.now();
    this.first ??= now;
    const added = this.added[job.number];
    if (added !== undefined) this.waits.push(now - added);
    if (++this.count === this.wanted) {
      this.last = now;
      this.end();
    }
  }
}

/** 300 bytes as JSON; 68 of them are the names, the quotes and the run. */
function nothing(run, number) {
  return { run, number, filler: 'x'.repeat(PAYLOAD_BYTES - 68 - String(number).length) };
}

function rate(count, ms) {
  return (count * 1000) / ms;
}

function spread(times) {
  times.sort((one, other) => one - other);
  const at = (hundredths) => {
    const place = Math.min(Math.floor((times.length * hundredths) / 100), times.length - 1);
    return Math.floor((times[place] ?? 0) * 1000);
  };
  return { p50_us: at(50), p99_us: at(99) };
}

function memoryPeak() {
  const line = readFileSync('/proc/self/status', 'utf8').match(/^VmHWM:\s+(\d+)/m);
  return line ? Number(line[1]) : 0;
}

function ensure(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

async function within(limitS, work) {
  const late = async () => {
    await sleep(limitS * 1000, undefined, { ref: false });
    throw new Error(`not done within ${limitS} s`);
  };
  return Promise.race([work, late()]);
}
