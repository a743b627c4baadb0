// NNI's `remote` service, mended, for searches on hosts that ssh reaches. As it is,
// - it installs whatever nni is the latest on each host; here what is there was compared before (nnictl/hosts/look.py);
// - a host has to reach the manager's port, which then is open to everybody, and the process that starts trials there
//   listens on every interface. Here both keep to themselves: a socket that only this user may use, forwarded through
//   the ssh connection, leads from the host to the manager, and the preloads of the manager are loaded there, too;
// - it packs the whole trialCodeDirectory, `runs` and environments too, or gives up; here code was sent by itself;
// - it hands out trials in turn, however many a host still has; here the host that has the fewest gets the next;
// - a host that is lost takes the manager along: it waits for ever for an answer, cancels trials that had ended long
//   ago, tells that a user has cancelled those that ran, and tries once to have the host back. Here what ran there is
//   SYS_CANCELED, the others go on, and the host is tried again every half minute.
'use strict';
const fs = require('node:fs');
const Module = require('node:module');
const net = require('node:net');
const path = require('node:path');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

const KEEP_ALIVE = 5000; // milliseconds between two signs of life of a connection
const MISSED = 6; // of them, and the host is lost
const CONNECT = 20000;
const START = 120000; // for a host, until it takes trials
const STOP = 15000; // for a host, to end its trials
const RETRY = 30000; // between two tries to have a host back
const PAUSE = 500; // between two tries to start a trial
const NUMBER = Symbol('place in machineList');
const KNOWN = Symbol('has been used before');
const SERVICE = Symbol('the service whose machine it is');
const COMING = Symbol('is being tried again');
const READY = Symbol('takes trials');
const LOST = Symbol('how it is told that a host is lost');
const ENDED = Symbol('trials that have ended');
const ENVIRONMENT = Symbol('variables of the process that starts trials');
const load = Module._load;
const patched = new WeakSet();
let ssh2;

function within(milliseconds, what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what}: not done in ${milliseconds / 1000} s`)), milliseconds);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function quoted(text) {
    return `'${String(text).replaceAll("'", "'\\''")}'`;
}

// Rejected as soon as the host of a worker is lost.
function lossOf(worker) {
    if (!worker[LOST]) {
        worker[LOST] = {};
        worker[LOST].promise = new Promise((_, reject) => {
            worker[LOST].tell = () => reject(new Error(`host ${worker.config.host} is lost`));
        });
        worker[LOST].promise.catch(() => {});
    }
    return worker[LOST];
}

function patchSsh(Ssh) {
    const { exec } = Ssh.prototype;

    Ssh.prototype.connect = async function () {
        const { host, port, user, sshKeyFile } = this.config;
        const privateKey = await fs.promises.readFile(sshKeyFile, { encoding: 'utf8' });
        const client = new ssh2.Client();
        client.on('error', (error) => this.log.warning(`Connection to ${host}:`, error.message)); // unheard, it ends all
        client.on('close', () => this.log.info(`Connection to ${host} closed`));
        const limits = { readyTimeout: CONNECT, keepaliveInterval: KEEP_ALIVE, keepaliveCountMax: MISSED };
        client.connect({ host, port, username: user, privateKey, ...limits });
        await once(client, 'ready');
        this.client = client;
    };

    Ssh.prototype.exec = function (command) {
        if (this[ENVIRONMENT] && command.includes('launch_trial_keeper')) {
            const given = Object.entries(this[ENVIRONMENT]).map(([name, value]) => `${name}=${quoted(value)}`);
            command = `${given.join(' ')} ${command}`;
        }
        return exec.call(this, command);
    };

    Ssh.prototype.writeFile = async function (remotePath, data) {
        const sftp = await this.sftp();
        await new Promise((resolve, reject) => {
            sftp.writeFile(remotePath, data, (error) => (error ? reject(error) : resolve()));
        });
    };
}

// What arrives at a socket on the host goes to this manager.
function answer(accept, port) {
    const there = accept();
    const here = net.connect(port, process.env.TRIONET_PORTAL_HOST || '127.0.0.1');
    const end = () => {
        here.destroy();
        there.destroy();
    };
    here.on('error', end).on('close', end);
    there.on('error', end).on('close', end);
    there.pipe(here).pipe(there);
}

function patchWorker(Worker) {
    const { downloadTrialLog, setChannel } = Worker.prototype;

    // The host's folder of this experiment, with a socket that leads here and what Node loads there.
    async function prepare(worker) {
        const { ssh, python, config } = worker;
        const { experimentId, port } = global.nni.args;
        const home = await ssh.run(`${python} -c "from pathlib import Path; print(Path.home())"`);
        const folder = path.posix.join(home, 'nni-experiments', experimentId, 'trionet');
        const socket = path.posix.join(folder, `manager-${config[NUMBER]}.socket`);
        if (config[KNOWN]) {
            await ssh.run(`test -e ${quoted(`${folder}/ready`)}`); // else it has lost its disk
        }
        const preload = path.posix.join(folder, 'preload');
        await ssh.run(`mkdir -p ${quoted(preload)} && chmod 700 ${quoted(folder)} && rm -f ${quoted(socket)}`);
        for (const name of fs.readdirSync(__dirname).filter((one) => one.endsWith('.cjs'))) {
            await ssh.writeFile(`${preload}/${name}`, fs.readFileSync(path.join(__dirname, name)));
        }
        ssh.client.on('unix connection', (_, accept) => answer(accept, port));
        await new Promise((resolve, reject) => {
            ssh.client.openssh_forwardInStreamLocal(socket, (error) => (error ? reject(error) : resolve()));
        });
        worker.channelUrl = `ws+unix:${socket}:${new URL(worker.channelUrl).pathname}`;
        ssh[ENVIRONMENT] = {
            TRIONET_MANAGER: `unix://${encodeURIComponent(socket)}`,
            PYTHONPATH: `${folder}/code`,
            NODE_OPTIONS: `--require="${preload}/loopback.cjs"`,
        };
    }

    Worker.prototype.start = async function () {
        const { host } = this.config;
        await this.ssh.connect();
        this.python = await this.findPython();
        await prepare(this);
        await this.launchTrialKeeperDaemon();
        this.env = await this.trialKeeper.start();
        this.env.host = host;
        this.config[KNOWN] = true;
        this.log.info(`Host ${host} takes trials`);
    };

    // What starts trials there may end by itself, too.
    Worker.prototype.setChannel = function (channel) {
        setChannel.call(this, channel);
        channel.onClose(() => {
            if (!this.config[SERVICE].ending) {
                this.config[SERVICE].restartWorker(this);
            }
        });
    };

    Worker.prototype.stop = async function () {
        try {
            const end = Promise.race([this.trialKeeper.shutdown(), lossOf(this).promise]);
            await within(STOP, `the end of host ${this.config.host}`, end);
        } finally {
            this.channel?.close('shutdown');
            this.ssh.disconnect();
        }
    };

    Worker.prototype.downloadTrialLog = function (trial) {
        const log = Promise.race([downloadTrialLog.call(this, trial), lossOf(this).promise]);
        return within(STOP, `the log of trial ${trial}`, log);
    };
}

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
    ['Ssh', 'writeFile', patchSsh],
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
