// The connection to one host of NNI's `remote` service, for hosts.cjs: what runs there, and how it reaches the manager.
// NNI's own has the manager's port open to every host, and lets what starts trials there listen on every interface. Here
// a socket that only this user may use, forwarded through the ssh connection, leads from the host to the manager, and
// the preloads of the manager are loaded there, too. Nothing is installed.
'use strict';
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { once } = require('node:events');

const KEEP_ALIVE = 5000; // milliseconds between two signs of life of a connection
const MISSED = 6; // of them, and the host is lost
const CONNECT = 60000;
const STOP = 15000; // for a host, to end its trials
const NUMBER = Symbol('place in machineList');
const KNOWN = Symbol('has been used before');
const SERVICE = Symbol('the service whose machine it is');
const LOST = Symbol('how it is told that a host is lost');
const ENVIRONMENT = Symbol('variables of the process that starts trials');

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

function patchSsh(Ssh, ssh2) {
    const { exec } = Ssh.prototype;

    Ssh.prototype.connect = async function () {
        const { host, port, user, sshKeyFile } = this.config;
        const privateKey = await fs.promises.readFile(sshKeyFile, { encoding: 'utf8' });
        const client = new (ssh2().Client)();
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

module.exports = { NUMBER, SERVICE, STOP, lossOf, patchSsh, patchWorker, within };
