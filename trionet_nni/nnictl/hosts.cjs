// NNI's `remote` service, mended, for searches on hosts that ssh reaches. As it is,
// - it installs whatever nni is the latest on each host; here what is there was compared before (nnictl/hosts/look.py);
// - a host has to reach the manager's port, which then is open to everybody; here there is a tunnel (tunnel.cjs);
// - it packs the whole trialCodeDirectory, `runs` and environments too, or gives up; here code was sent by itself;
// - it hands out trials in turn, however many a host still has; here the host that has the fewest gets the next;
// - a host that is lost takes the manager along: it waits for ever for an answer, cancels trials that had ended long
//   ago, tells that a user has cancelled those that ran, and tries once to have the host back. Here what ran there is
//   SYS_CANCELED, the others go on, and the host is tried again every half minute.
'use strict';
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { NUMBER, SERVICE, STOP, lossOf, patchSsh, patchWorker, within } = require('./tunnel.cjs');

const START = 600000; // milliseconds for a host, until it takes trials: Python alone takes half a minute on a busy one
const RETRY = 30000; // between two tries to have a host back
const PAUSE = 500; // between two tries to start a trial
const COMING = Symbol('is being tried again');
const READY = Symbol('takes trials');
const LOST = Symbol('ended with its host');
const ENDED = Symbol('trials that have ended');
const load = Module._load;
const patched = new WeakSet();
let ssh2;

function patchService(Service) {
    const { createTrial, emitEnvUpdate, launchWorker, stopTrial, uploadDirectory } = Service.prototype;

    function discard(service, worker) {
        service.workers = service.workers.filter((one) => one !== worker);
        service.workersByChannel.delete(worker.channelId);
        service.workersByEnv.delete(worker.envId);
        lossOf(worker).tell();
    }

    Service.prototype.start = async function () {
        this[ENDED] = new Set();
        this.emitter.on('trial_stop', (trial) => this[ENDED].add(trial));
        await this.server.start();
        const { machineList } = this.config;
        machineList.forEach((config, number) => Object.assign(config, { [NUMBER]: number, [SERVICE]: this }));
        const found = await Promise.allSettled(machineList.map((config) => this.launchWorker(config)));
        const failed = found.filter((one) => one.status === 'rejected');
        if (failed.length === machineList.length) {
            throw failed[0].reason;
        }
        found.forEach((one, number) => {
            if (one.status === 'rejected') {
                this.bringBack(machineList[number]);
            }
        });
        return this.workers.map((worker) => worker.env);
    };

    Service.prototype.launchWorker = async function (config) {
        try {
            const worker = await within(START, `the start of host ${config.host}`, launchWorker.call(this, config));
            worker[READY] = true;
            return worker;
        } catch (error) {
            this.log.warning(`Host ${config.host}, port ${config.port}: ${error.message}`);
            this.workers.filter((one) => one.config === config).forEach((worker) => {
                discard(this, worker);
                worker.ssh.disconnect();
            });
            throw error;
        }
    };

    Service.prototype.emitEnvUpdate = function () {
        const all = this.workers;
        this.workers = all.filter((worker) => worker[READY]);
        try {
            emitEnvUpdate.call(this);
        } finally {
            this.workers = all;
        }
    };

    // Code was sent by itself; what a trial starts in holds nothing.
    Service.prototype.uploadDirectory = async function (name) {
        const folder = fs.mkdtempSync(path.join(global.nni.paths.experimentRoot, 'empty-'));
        try {
            fs.writeFileSync(path.join(folder, 'README'), 'Code lies in ~/nni-experiments/<experiment>/trionet/code.\n');
            await uploadDirectory.call(this, name, folder);
        } finally {
            fs.rmSync(folder, { recursive: true });
        }
    };

    Service.prototype.createTrial = async function (environment, ...others) {
        const worker = this.workersByEnv.get(environment);
        try {
            const made = worker && (await Promise.race([createTrial.call(this, environment, ...others), lossOf(worker).promise]));
            if (made) {
                return made;
            }
        } catch (error) {
            this.log.warning(`No trial on ${environment}: ${error.message}`);
        }
        await sleep(PAUSE); // the manager asks again at once, without end
        return null;
    };

    Service.prototype.stopTrial = async function (trial) {
        const worker = this.workersByTrial.get(trial);
        if (worker) {
            await within(STOP, `the end of trial ${trial}`, Promise.race([stopTrial.call(this, trial), lossOf(worker).promise]));
        }
    };

    Service.prototype.stopWorker = function (worker, tell) {
        discard(this, worker);
        worker.ssh.disconnect();
        if (tell) {
            this.emitEnvUpdate();
        }
        for (const [trial, its] of this.workersByTrial) {
            if (its === worker && !this[ENDED].has(trial)) {
                this.emitter.emit('trial_stop', trial, Date.now(), LOST);
            }
        }
    };

    Service.prototype.restartWorker = async function (worker) {
        if (this.workers.includes(worker)) {
            this.log.warning(`Host ${worker.config.host}, port ${worker.config.port} is lost; its candidates are tried elsewhere`);
            this.stopWorker(worker, true);
            await this.bringBack(worker.config);
        }
    };

    Service.prototype.bringBack = async function (config) {
        if (config[COMING]) {
            return;
        }
        config[COMING] = true;
        while (config[COMING] && !this.ending) {
            await sleep(RETRY);
            const worker = await this.launchWorker(config).catch(() => null); // which has told why
            config[COMING] = !worker;
        }
        this.emitEnvUpdate();
    };

    const { stop } = Service.prototype;
    Service.prototype.stop = function () {
        this.ending = true;
        return stop.call(this);
    };
}

function patchManagersView(V3asV1) {
    const { start } = V3asV1.prototype;

    V3asV1.prototype.start = function () {
        const { onTrialEnd } = this.v3;
        this.v3.onTrialEnd = (callback) => onTrialEnd.call(this.v3, async (id, time, code) => {
            const trial = this.trialJobs[id];
            if (trial && code !== LOST) {
                await callback(id, time, code);
            } else if (trial && ['WAITING', 'RUNNING', 'UNKNOWN'].includes(trial.status)) {
                trial.status = 'SYS_CANCELED';
                trial.endTime = time;
            }
        });
        return start.call(this);
    };

    // The host that has the fewest trials; of equals the one that follows the last.
    V3asV1.prototype.schedule = function () {
        const running = new Map(this.environments.map((one) => [one.id, 0]));
        for (const { envId, status } of Object.values(this.trialJobs)) {
            if (running.has(envId) && ['WAITING', 'RUNNING', 'UNKNOWN'].includes(status)) {
                running.set(envId, running.get(envId) + 1);
            }
        }
        const ids = [...running.keys()];
        const last = ids.indexOf(this.lastEnvId);
        const order = [...ids.slice(last + 1), ...ids.slice(0, last + 1)];
        order.sort((one, other) => running.get(one) - running.get(other)); // which keeps the order of equals
        if (order.length > 0) {
            this.lastEnvId = order[0];
        }
        return order[0] ?? null;
    };
}

const PATCHES = [
    ['Ssh', 'writeFile', (Ssh) => patchSsh(Ssh, () => ssh2)],
    ['Worker', 'launchTrialKeeperDaemon', patchWorker],
    ['RemoteTrainingServiceV3', 'restartWorker', patchService],
    ['V3asV1', 'schedule', patchManagersView],
];

Module._load = function (request, ...others) {
    const found = load.call(this, request, ...others);
    if (request === 'ssh2') {
        ssh2 = found;
    }
    if (/\/(ssh|worker|remote|compat)$/.test(request) && found && typeof found === 'object') {
        for (const [name, method, patch] of PATCHES) {
            const kind = found[name];
            if (typeof kind === 'function' && kind.prototype[method] && !patched.has(kind)) {
                patched.add(kind);
                patch(kind);
            }
        }
    }
    return found;
};
