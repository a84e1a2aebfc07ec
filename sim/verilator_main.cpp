// Runs a Verilator model under cocotb. cocotb's own main program asks for callbacks of every kind after every clock
// edge, which costs as much as a small design itself; here that happens only once a callback has woken Python.
#include <algorithm>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_vpi.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

extern "C" void vlog_startup_routines_bootstrap(void);

namespace {

uint64_t now = 0;

bool value_callbacks() {
    bool called = false;
    while (VerilatedVpi::callValueCbs()) called = true;
    return called;
}

// One moment of simulated time; returns once nothing changes any more.
void moment(Vtop& top, bool woken) {
    do {
        do {
            top.eval_step();
            VerilatedVpi::clearEvalNeeded();
            woken |= value_callbacks();
            if (!woken) return;
            VerilatedVpi::doInertialPuts();
            value_callbacks();
        } while (VerilatedVpi::evalNeeded());
        VerilatedVpi::callCbs(cbReadWriteSynch);
        VerilatedVpi::doInertialPuts();
        value_callbacks();
    } while (VerilatedVpi::evalNeeded());
    VerilatedVpi::callCbs(cbReadOnlySynch);
}

}  // namespace

double sc_time_stamp() { return static_cast<double>(now); }

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    Verilated::fatalOnVpiError(false);
    std::unique_ptr<Vtop> top(new Vtop(""));
#if VM_TRACE
    Verilated::traceEverOn(true);
    std::unique_ptr<VerilatedVcdC> trace;
    if (argc == 2) {
        trace.reset(new VerilatedVcdC);
        top->trace(trace.get(), 99);
        trace->open(argv[1]);
    }
#endif
    vlog_startup_routines_bootstrap();
    Verilated::addExitCb([](void*) { VerilatedVpi::callCbs(cbEndOfSimulation); }, nullptr);
    VerilatedVpi::callCbs(cbStartOfSimulation);
    value_callbacks();
    bool woken = true;
    while (!Verilated::gotFinish()) {
        moment(*top, woken);
#if VM_TRACE
        if (trace) trace->dump(now);
#endif
        const uint64_t never = ~uint64_t{0};
        const uint64_t asked = VerilatedVpi::cbNextDeadline();
        const uint64_t next = std::min(asked, top->eventsPending() ? top->nextTimeSlot() : never);
        if (next == never) break;
        now = next;
        VerilatedVpi::callCbs(cbNextSimTime);
        woken = value_callbacks();
        if (asked == next) {
            VerilatedVpi::callTimedCbs();
            value_callbacks();
            woken = true;
        }
    }
    top->final();
    VerilatedVpi::callCbs(cbEndOfSimulation);
#if VM_TRACE
    if (trace) trace->close();
#endif
    return Verilated::threadContextp()->errorCount() ? 1 : 0;
}
