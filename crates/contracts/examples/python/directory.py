"""A consumer of Clientele in Python: keeps the names of all customers in a file of its own, by the feed and BatchGet.

    python directory.py --file names.json [--register NAME --request-id KEY]

The environment says where the services are and who calls: IDENTITY and CUSTOMERS (host:port), API_KEY (scopes
customers.customer.read, customers.feed.read; customers.customer.write to register), and CA_FILE where they speak TLS.
The modules under `clientele` are generated from the published descriptors; GUIDE.md says how, and explains what is done here.
"""

import argparse
import json
import os
import random
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from clientele.customers.v1 import customer_pb2, customer_pb2_grpc, feed_pb2_grpc
from clientele.identity.v1 import token_pb2, token_pb2_grpc
from clientele.platform.v1 import feed_pb2

DEADLINE = 5  # seconds
ATTEMPTS = 8
RENEWAL = 30  # seconds before a token ends
PARTITIONS = 32
BATCH = 500
REPEATABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED}


def channel(address):
    # Each new connection may reach another replica, and calls go to all of them.
    options = [("grpc.lb_policy_name", "round_robin")]
    authority = os.environ.get("CA_FILE")
    if authority is None:
        return grpc.insecure_channel(address, options)
    with open(authority, "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()), options)


class Caller:
    """Exchanges an API key for tokens, and calls with them."""

    def __init__(self, identity, api_key):
        self.tokens = token_pb2_grpc.TokensStub(identity)
        self.api_key = api_key
        self.held = None
        self.until = 0.0

    def token(self):
        if self.held is None or time.time() >= self.until:
            issued = self.tokens.IssueToken(token_pb2.IssueTokenRequest(api_key=self.api_key), timeout=DEADLINE)
            self.held = issued.token
            self.until = issued.expires_at.seconds - RENEWAL
        return self.held

    def call(self, method, request):
        """Makes a call that may be repeated: a read, or a change that carries a request_id."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                metadata = [("authorization", f"Bearer {self.token()}")]
                return method(request, timeout=DEADLINE, metadata=metadata)
            except grpc.RpcError as error:
                ended = error.code() == grpc.StatusCode.UNAUTHENTICATED and self.held is not None
                if ended:
                    self.held = None
                if attempt == ATTEMPTS or not (ended or error.code() in REPEATABLE):
                    raise
                wait = 0.1 * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
                time.sleep(max(wait, asked_for(error)))
        raise AssertionError("the loop returns or raises")


def detail_of(error, kind):
    """The detail of this kind that a refusal carries, or an empty one."""
    found = kind()
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        if detail.Is(kind.DESCRIPTOR):
            detail.Unpack(found)
    return found


def asked_for(error):
    """How long the service wants to be left alone, in seconds."""
    delay = detail_of(error, error_details_pb2.RetryInfo).retry_delay
    return delay.seconds + delay.nanos / 1e9


def reason(error):
    """The stable name of what is wrong."""
    return detail_of(error, error_details_pb2.ErrorInfo).reason


class Directory:
    """The names, and how far the feed has been applied to them, written together."""

    def __init__(self, path):
        self.path = path
        self.names = {}
        self.positions = {}
        self.incarnations = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                kept = json.load(file)
            self.names = kept["names"]
            self.positions = {int(partition): position for partition, position in kept["positions"].items()}
            self.incarnations = {int(partition): name for partition, name in kept["incarnations"].items()}

    def write(self):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            kept = {"names": self.names, "positions": self.positions, "incarnations": self.incarnations}
            json.dump(kept, file)
        os.replace(self.path + ".new", self.path)

    def follow(self, caller, customers, feed, partition):
        while True:
            after = self.positions.get(partition, 0)
            incarnation = self.incarnations.get(partition, "")
            request = feed_pb2.ReadFeedRequest(
                partition=partition, after=after, page_size=1000, incarnation=incarnation
            )
            try:
                page = caller.call(feed.Read, request)
            except grpc.RpcError as error:
                if after == 0 or reason(error) != "JOURNAL_RESTORED":
                    raise
                # What we know of this partition is so no longer. It is read again from the beginning, which puts every
                # name right that is still asked for.
                self.positions.pop(partition)
                self.incarnations.pop(partition, None)
                continue
            self.incarnations[partition] = page.incarnation
            if not page.events:
                return
            changed = sorted({event.customer_id for event in page.events if event.customer_id})
            for start in range(0, len(changed), BATCH):
                ids = changed[start : start + BATCH]
                found = caller.call(customers.BatchGetCustomers, customer_pb2.BatchGetCustomersRequest(ids=ids))
                for gone in ids:
                    self.names.pop(gone, None)
                self.names.update({customer.id: customer.display_name for customer in found.customers})
            self.positions[partition] = page.events[-1].position
            self.write()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", required=True)
    parser.add_argument("--register")
    parser.add_argument("--request-id")
    arguments = parser.parse_args()

    caller = Caller(channel(os.environ["IDENTITY"]), os.environ["API_KEY"])
    to_customers = channel(os.environ["CUSTOMERS"])
    customers = customer_pb2_grpc.CustomersStub(to_customers)

    registered = None
    if arguments.register and arguments.request_id:
        customer = customer_pb2.Customer(display_name=arguments.register)
        request = customer_pb2.CreateCustomerRequest(customer=customer, request_id=arguments.request_id)
        registered = caller.call(customers.CreateCustomer, request).id

    directory = Directory(arguments.file)
    for partition in range(PARTITIONS):
        directory.follow(caller, customers, feed_pb2_grpc.FeedStub(to_customers), partition)
    print(json.dumps({"registered": registered, "names": len(directory.names)}))


if __name__ == "__main__":
    main()
