// NNI's manager listens on every interface, without authentication and without an option for it.
// Loaded with NODE_OPTIONS=--require=<this file>, it keeps to the local machine unless TRIONET_PORTAL_HOST
// names another address. A server that names its own host, or listens on a socket file, is left alone.
'use strict';
const net = require('node:net');
require('./owner.cjs');
require('./cards.cjs');
require('./closing.cjs');
require('./hosts.cjs');

const host = process.env.TRIONET_PORTAL_HOST || '127.0.0.1';
const listen = net.Server.prototype.listen;

function isPort(value) {
    return typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
}

net.Server.prototype.listen = function (...args) {
    const first = args[0];
    if (isPort(first) && typeof args[1] !== 'string') {
        args = args[1] === null || args[1] === undefined ? args.slice(2) : args.slice(1);
        return listen.call(this, first, host, ...args);
    }
    const opens = first === undefined || first === null || typeof first === 'function';
    if (opens) {
        return listen.call(this, { port: 0, host }, ...args.filter((value) => typeof value === 'function'));
    }
    if (typeof first === 'object' && isPort(first.port) && !first.host && !first.path) {
        args[0] = { ...first, host };
    }
    return listen.apply(this, args);
};
