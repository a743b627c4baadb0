// What NNI's manager does where a trial asks for cards and there are none free: it asks its scheduler again at once,
// without end, and so never hears that a trial has ended. And its scheduler refuses whoever asks for all cards of
// the machine, on a machine with one card every trial: it compares with >= where > is meant. So on one GPU, and
// wherever trialConcurrency is larger than the cards have room for, an experiment stood still for ever.
// Every try also starts a Python process that looks at the cards, because what the one before saw is never found in
// its cache: thousands of them, until the machine's memory is full.
// Here a trial waits half a second between two tries, the cards are looked at every ten seconds at most; and while it
// is decided about a trial that wants all cards, the scheduler sees one more, which is in use and so is never chosen.
'use strict';
const Module = require('node:module');
const { setTimeout: sleep } = require('node:timers/promises');

const PAUSE = 500; // milliseconds
const LOOK = 10000; // as NNI means it
const load = Module._load;
const known = new WeakSet();

function patch(scheduler) {
    const { schedule, update } = scheduler.prototype;
    const looked = Symbol('looked');

    scheduler.prototype.update = async function (force) {
        if (force || !(Date.now() - this[looked] < LOOK)) {
            this[looked] = Date.now();
            await update.call(this, force);
        }
    };

    function decide(self, wanted) {
        if (wanted[2] !== self.gpus.length) {
            return schedule.apply(self, wanted);
        }
        const busy = { index: wanted[2], util: 1, coreUtil: 1, memUtil: 1, active: true, computeActive: true };
        self.gpus.push(busy);
        try {
            return schedule.apply(self, wanted); // it decides before it gives back its promise
        } finally {
            self.gpus.pop();
        }
    }

    scheduler.prototype.schedule = async function (...wanted) {
        let cards = await decide(this, wanted);
        while (cards === null && wanted[2] <= this.gpus.length) {
            await sleep(PAUSE);
            cards = await decide(this, wanted);
        }
        if (cards === null) {
            await sleep(PAUSE); // more than there are: the manager asks again at once
        }
        return cards;
    };
}

Module._load = function (request, ...others) {
    const found = load.call(this, request, ...others);
    if (/task_scheduler$/.test(request) && found && typeof found.TaskScheduler === 'function') {
        if (!known.has(found.TaskScheduler)) {
            known.add(found.TaskScheduler);
            patch(found.TaskScheduler);
        }
    }
    return found;
};
