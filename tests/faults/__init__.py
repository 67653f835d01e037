"""What a running installation stands: `make faults`, or `make faults FULL=1` for the long forms.

Every test harms one real `make up` installation from outside, and after each one the invariants
hold (invariants.py): every answered push is stored, every change of state was handled, every
message was delivered or failed for all to see, and no monitor has two open incidents.

=====  ============================================================  ===============================
row    what is done                                                  where
=====  ============================================================  ===============================
S1     random SIGKILL of everything under 500 pushes a second        test_processes
S2     `pg_ctl stop -m immediate` under load                         test_database
S3     asleep for 40 s (ten minutes in the long form)                test_listening
S4     web and ingest frozen, the sweep up                           test_listening
S5     two beats, two standbys, four workers of each kind            test_processes
S6     the application's clock an hour wrong                         test_clock
S7     SIGTERM of each process under load                            test_processes
S8     schemathesis over the OpenAPI document                        tests/contract/test_lifecycles,
                                                                     test_schema_true
S9     every route, for everybody who might knock                    tests/access: test_routes,
                                                                     test_outside, test_naming;
                                                                     tests/console/test_access
S10    a restart of 5 s, windows of 6 s                              test_listening
S11    eight clients of the console's list beside the pushes         test_neighbours
N5     SIGKILL after the claim, before the send                      test_senders
N6     SIGKILL after the provider accepted, before the record        test_senders
N7     one poison message in a batch                                 test_senders
N8     the broker killed, hung, emptied, full                        test_broker
N9     thousands of dripping and failing endpoints of another team   test_senders
-      every connection of the database taken by somebody else       test_database
-      today's, tomorrow's partition dropped                         test_database
=====  ============================================================  ===============================

TOCSIN_FAULT_SLEEP and TOCSIN_FAULT_SECONDS (seconds), and TOCSIN_FAULT_RATE (pushes a second) say
otherwise how long the sleep and the kills take.
"""
